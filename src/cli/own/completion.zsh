#compdef mdevdctl
# SPDX-License-Identifier: LGPL-2.1-or-later
# Verbs, options and what a word stands for are read from the program's own help, names from the
# daemon if it is there.

_mdevdctl_names() { # what stands for it, the word before it
        local one
        local -a names

        for one in ${(s:|:)1}; do
                case $one in
                FILE) _files ;;
                LEASE) names+=(vm) ;;
                MODE) names+=(short pretty off) ;;
                check | explain | plan | apply) names+=($one) ;;
                UUID | PARENT | TYPE | POOL | OWNER | NAME | ID)
                        names+=(${(f)"$(mdevdctl complete $one $2 2>/dev/null)"}) ;;
                esac
        done
        (( $#names )) && compadd -a names
}

_mdevdctl() {
        local verb=$words[2] usage option
        local -a verbs options operands

        if (( CURRENT == 2 )); then
                verbs=(${(f)"$(mdevdctl --help 2>/dev/null |
                        sed -nE '/^Commands:/,/^Options:/s/^  ([a-z]+) +(.*)/\1:\2/p')"})
                _describe command verbs
                return
        fi
        if [[ $words[CURRENT] == --*=* ]]; then
                option=${words[CURRENT]%%=*}
                compset -P '*='
                _mdevdctl_names "$(mdevdctl $verb --help 2>/dev/null |
                        sed -nE "s/^  (-., |    )$option ?\\[?[<=]+([^]>]*)[]>].*/\\2/p")"
                return
        fi
        if [[ $words[CURRENT] == -* ]]; then
                options=(${(f)"$(mdevdctl $verb --help 2>/dev/null |
                        sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p')"})
                compadd -a options
                return
        fi
        usage=$(mdevdctl $verb --help 2>/dev/null | sed -nE 's/^Usage: mdevdctl [a-z]+ \[OPTIONS\] ?//p')
        operands=(${(s: :)${usage//[<>\[\]]/}})
        local -a before=(${(M)words[3,CURRENT-1]:#[^-]*})
        _mdevdctl_names "$operands[$#before + 1]" "$before[-1]"
}

_mdevdctl "$@"
