#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the shells complete, in a real bash and zsh.

    completion.py PROGRAM DAEMON PRELOAD SOURCE    TAP"""

import os
import re
import subprocess
import sys

import cases
import model
from cases import case, want
from tmux import Terminal

U = model.U

BASH = r"""
source /usr/share/bash-completion/bash_completion 2>/dev/null
source "$1"
while IFS= read -r COMP_LINE && mapfile -t -n 1 words; do
        COMP_POINT=${#COMP_LINE}
        IFS=$'\t' read -ra COMP_WORDS <<<"$words"
        [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMPREPLY=()
        _mdevdctl
        printf '%s ' "${COMPREPLY[@]}"
        echo
done
"""


def complete_bash(m, *lines):
    """What each is completed to. Words are split as readline does: at colons and "=", too."""
    text = "".join(f"{line}\n" + "\t".join(re.findall(r"[^\s:=]+|[:=]", line)) + "\n"
                   for line in lines)
    done = subprocess.run(["bash", "-c", BASH, "bash",
                           os.path.join(m.source, "src/cli/own/completion.bash")], env=m.env,
                          input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=60)
    found = [row.split() for row in done.stdout.split("\n")[:-1]]
    assert len(found) == len(lines), done.stdout
    return found


@case
def bash_completes(m):
    wanted = (
            ("mdevdctl st", {"status", "start", "stop"}),
            ("mdevdctl stop ", {f"{U}{n}" for n in "12345de"}),
            (f"mdevdctl stop {U}e", {f"{U}e"}),
            ("mdevdctl map 0000:41:00.0 ", {"fb", "doorbells"}),
            ("mdevdctl create fb-", {"fb-16M", "fb-8M", "fb-4M"}),
            ("mdevdctl create --owner=g", {"gold-1", "gold-7"}),
            ("mdevdctl create fb-4M -o vm", {"vm2", "vm3"}),
            ("mdevdctl create fb-4M --json=", {"short", "pretty", "off"}),
            (f"mdevdctl owner {U}2 gold-7", {"gold-7"}),
            ("mdevdctl policy ", {"check", "explain"}),
            ("mdevdctl undefine --f", {"--force"}),
            ("mdevdctl operations 7", {"7"}))
    for (line, words), found in zip(wanted, complete_bash(m, *(line for line, _ in wanted))):
        assert set(found) == words, f"{line!r}: {found}, expected {words}"
    # a parent's name is what is left of it behind the colon
    found = complete_bash(m, "mdevdctl list 0000:4")[0]
    assert {w.rsplit("4", 1)[-1] for w in found} == {"1:00.0", "2:00.0", "3:00.0"}, found
    # a name is never run: its owner is a program's text, which would make a file of that name
    m.run(f"mdevdctl owner {U}2 '$(touch${{IFS}}$TMPDIR/trap)'")
    found = complete_bash(m, "mdevdctl create fb-4M -o ")[0]
    assert any("touch" in w for w in found), found
    assert not os.path.exists(os.path.join(m.work, "trap")), "an owner's name was run"
    m.run(f"mdevdctl owner {U}2 vm2")


@case
def bash_in_a_terminal(m):
    t = Terminal(m, 120)
    t.tmux("send-keys", "-l", "exec bash --norc --noprofile -i")
    t.tmux("send-keys", "Enter")
    t.tmux("send-keys", "-l", "source /usr/share/bash-completion/bash_completion; source "
           f"{m.source}/src/cli/own/completion.bash; PS1='REA''DY> '; clear")
    t.tmux("send-keys", "Enter")
    t.await_text("READY>")
    t.tmux("send-keys", "-l", "mdevdctl list 0000:41")
    t.tmux("send-keys", "Tab")
    t.await_text("list 0000:41:00.0")
    t.close()


ZSH = r"""
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "PS1='' fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $1/dump; print RE''ADY"
while zpty -r z line; do [[ $line == READY* ]] && break; done
for words in 'map 0000:41:00.0 do' 'status 0000:00' 'undef' 'plan fb-4M --json=pr'; do
        zpty -n -w z "mdevdctl $words"$'\t'$'; print E""ND\n'
        while zpty -r z line; do
                print -r -- "$line"
                [[ $line == END* ]] && break
        done
done
zpty -d z
"""


@case
def zsh_completes(m):
    """In a pseudo terminal of zsh's own; what was completed is run."""
    os.symlink(os.path.join(m.source, "src/cli/own/completion.zsh"),
               os.path.join(m.work, "_mdevdctl"))
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", m.work], env=m.env, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    want(done.stdout.decode(), "BAR 0 pool doorbells", "driver nvidia", "missing: <UUID>",
         '{"possible":true')


if __name__ == "__main__":
    sys.exit(cases.main())
