"""`completion`: scripts for shells that complete the command line, also behind `python`.

Typer's own scripts complete a program's name only, but people run `python cli.py`. All three shells ask by the protocol
that Typer has for bash: the words as variables, an answer on each line.
"""

from __future__ import annotations

from enum import StrEnum

from commands.output import print_script


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_BASH = r"""_expiry_notifier_complete() {
    local at=0 IFS=$'\n'
    COMPREPLY=()
    case "${COMP_WORDS[0]##*/}" in python*) at=1 ;; esac
    [ "${COMP_WORDS[at]##*/}" = cli.py ] && [ "$COMP_CWORD" -gt "$at" ] || return 0
    COMPREPLY=($(
        COMP_WORDS="${COMP_WORDS[*]:at}" COMP_CWORD=$((COMP_CWORD - at)) _CLI_PY_COMPLETE=complete_bash \
            "${COMP_WORDS[@]:0:at+1}" 2>/dev/null
    ))
}
complete -o bashdefault -o default -F _expiry_notifier_complete python python3 cli.py
"""

_ZSH = r"""_expiry_notifier_complete() {
    local at=1
    [[ ${words[1]:t} == python* ]] && at=2
    if [[ ${words[at]:t} != cli.py ]] || (( CURRENT <= at )); then
        if [[ ${words[1]:t} == python* ]] && (( $+functions[_python] )); then _python; else _files; fi
        return
    fi
    local -a found
    found=(${(f)"$(
        COMP_WORDS="${(j: :)words[at,-1]}" COMP_CWORD=$((CURRENT - at)) _CLI_PY_COMPLETE=complete_bash \
            ${words[1,at]} 2>/dev/null
    )"})
    if (( $#found )); then compadd -- $found; else _files; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _expiry_notifier_complete python python3 cli.py
"""

_FISH = r"""function __expiry_notifier_complete
    set -l words (commandline -opc)
    set -l at 1
    string match -q 'python*' (basename $words[1]); and set at 2
    test (count $words) -ge $at; and test (basename $words[$at]) = cli.py; or return
    set -l typed (commandline -ct)
    env COMP_WORDS="$words[$at..-1] $typed" COMP_CWORD=(math (count $words) - $at + 1) \
        _CLI_PY_COMPLETE=complete_bash $words[1..$at] 2>/dev/null
end
complete -c python -a '(__expiry_notifier_complete)'
complete -c python3 -a '(__expiry_notifier_complete)'
complete -c cli.py -a '(__expiry_notifier_complete)'
"""

_SCRIPTS = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}


def print_completion(shell: Shell) -> None:
    """Prints the shell's script. It needs no setting and no server."""
    print_script(_SCRIPTS[shell])
