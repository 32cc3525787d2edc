# bash completion of mdevdctl                                              -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later
# Verbs, options and what a word stands for are read from the program's own help, names from the
# daemon if it is there.

_mdevdctl_verbs() {
        mdevdctl --help 2>/dev/null | sed -nE '/^Commands:/,/^Options:/s/^  ([a-z]+) .*/\1/p'
}

_mdevdctl_options() { # a verb
        mdevdctl "$1" --help 2>/dev/null | sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p'
}

# What is to be typed: the word that stands for it in the help, such as UUID or PARENT.
_mdevdctl_operand() { # a verb, how many words are there already
        mdevdctl "$1" --help 2>/dev/null |
                sed -nE 's/^Usage: mdevdctl [a-z]+ \[OPTIONS\] ?//p' | tr -d '<>[]' |
                cut -d' ' -f"$(($2 + 1))"
}

_mdevdctl_value() { # a verb, an option
        mdevdctl "$1" --help 2>/dev/null |
                sed -nE "s/^  (-., |    )$2 ?\\[?[<=]+([^]>]*)[]>].*/\\2/p;
                         s/^  $2, --[a-z-]+ <([^>]*)>.*/\\1/p"
}

_mdevdctl_names() { # what stands for it, the word before it
        local one

        for one in ${1//|/ }; do
                case $one in
                FILE) compgen -f -- "$cur" ;;
                LEASE) echo vm ;;
                MODE) printf '%s\n' short pretty off ;;
                check | explain | plan | apply) echo "$one" ;;
                UUID | PARENT | TYPE | POOL | OWNER | NAME | ID)
                        mdevdctl complete "$one" ${2:+"$2"} 2>/dev/null ;;
                esac
        done | sort -u
}

_mdevdctl() {
        local cur prev words cword verb= n=0 last= i list

        # names have colons, at which readline begins a new word: put them together again
        if declare -F _get_comp_words_by_ref >/dev/null; then
                _get_comp_words_by_ref -n : cur prev words cword
        else
                words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
                prev=${COMP_WORDS[COMP_CWORD - 1]}
        fi
        for ((i = 1; i < cword; i++)); do
                if [[ ${words[i]} == -* || ${words[i]} == = || ${words[i - 1]} == = ]]; then
                        continue
                elif [[ -z $verb ]]; then
                        verb=${words[i]}
                elif [[ ${words[i - 1]} != -? ]]; then
                        n=$((n + 1)) last=${words[i]}
                fi
        done
        if [[ $cur == = ]]; then
                cur='' prev=${words[cword - 1]}
        elif [[ $prev == = ]]; then
                prev=${words[cword - 2]}
        fi

        if [[ -z $verb ]]; then
                list=$(_mdevdctl_verbs; printf '%s\n' --help --version)
        elif [[ $prev == -* && -n $(_mdevdctl_value "$verb" "$prev") &&
                ($prev == -? || ${words[cword - 1]} == = || ${words[cword]} == =) ]]; then
                list=$(_mdevdctl_names "$(_mdevdctl_value "$verb" "$prev")")
        elif [[ $cur == -* ]]; then
                list=$(_mdevdctl_options "$verb")
        else
                list=$(_mdevdctl_names "$(_mdevdctl_operand "$verb" "$n")" "$last")
        fi
        COMPREPLY=() # never compgen -W: it expands the names of others as a shell does
        while IFS= read -r i; do
                [[ -n $i && $i == "$cur"* ]] && COMPREPLY+=("$(printf %q "$i")")
        done <<<"$list"
        if declare -F __ltrim_colon_completions >/dev/null; then
                __ltrim_colon_completions "$cur"
        fi
}

complete -F _mdevdctl mdevdctl
