# bash completion of mdevctl and lsmdev                                    -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands and options are read from the program's own help, so that they are those it has.

_mdevctl_words() { # a command and its arguments: the words that its help lists
        "$@" --help 2>/dev/null | sed -nE 's/^  (-., |    )?(--[a-z]+).*/\2/p; s/^  ([a-z]+) .*/\1/p'
}

_mdevctl_names() { # p, t or u: what there is of that kind
        case $1 in
        p) printf '%s\n' /sys/class/mdev_bus/* /etc/mdevctl.d/* | sed 's|.*/||; /^\*$/d; /^scripts\.d$/d' ;;
        t) printf '%s\n' /sys/class/mdev_bus/*/mdev_supported_types/* | sed 's|.*/||; /^\*$/d' ;;
        u) { mdevctl list; mdevctl list --defined; } 2>/dev/null | cut -d' ' -f1 ;;
        esac | sort -u
}

_mdevctl_offer() { # the word so far; standard input: words, each a line. Never through `compgen -W`:
        # it expands them, and anybody's file name may be `$(...)`
        local word
        while IFS= read -r word; do
                [[ $word == "$1"* ]] && COMPREPLY+=("$(printf %q "$word")")
        done
}

_mdevctl() {
        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=()

        COMPREPLY=()
        # --option=value comes as three words
        if [[ $cur == = ]]; then
                cur=
        elif [[ $prev == = && $COMP_CWORD -ge 2 ]]; then
                prev=${COMP_WORDS[COMP_CWORD - 2]}
        fi
        if [[ ${COMP_WORDS[0]##*/} == mdevctl && $COMP_CWORD -gt 1 ]]; then
                verb=("${COMP_WORDS[1]}")
        fi
        case $prev in
        -p | --parent) _mdevctl_offer "$cur" < <(_mdevctl_names p) ;;
        -t | --type) _mdevctl_offer "$cur" < <(_mdevctl_names t) ;;
        -u | --uuid) _mdevctl_offer "$cur" < <(_mdevctl_names u) ;;
        --jsonfile) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        *) _mdevctl_offer "$cur" < <(_mdevctl_words "${COMP_WORDS[0]}" "${verb[@]}") ;;
        esac
        # names of parents have colons, at which readline begins a new word
        if declare -F __ltrim_colon_completions >/dev/null; then
                __ltrim_colon_completions "$cur"
        fi
}

complete -F _mdevctl mdevctl lsmdev
