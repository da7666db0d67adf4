package completion

import "strings"

// Script is what a shell has to read to complete the command lines of a program; ok is false
// for a shell that is not known.
func Script(shell, program string) (script string, ok bool) {
	script, ok = scripts[shell]
	return strings.NewReplacer("PROGRAM", program, "FUNCTION", strings.ReplaceAll(program, "-", "_")).Replace(script), ok
}

var scripts = map[string]string{
	"bash": `# bash completion of PROGRAM
_FUNCTION() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _FUNCTION PROGRAM
`,
	"zsh": `#compdef PROGRAM
# zsh completion of PROGRAM
_FUNCTION() {
    local line files
    local -a given plain described open
    given=("${(@Q)words[2,CURRENT]}")
    given[-1]=${given[-1]#[\"\']}
    for line in "${(@f)$(_call_program PROGRAM "${(q)words[1]}" __complete zsh "${(@q)given}" 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        if [[ $line == $'\t'* ]]; then
            files=1
        elif [[ ${line%%$'\t'*} == *[=:] ]]; then
            open+=("${line%%$'\t'*}")
        else
            plain+=("${line%%$'\t'*}")
            described+=("${line/$'\t'/  -- }")
        fi
    done
    (( ${#open} )) && compadd -S '' -a open
    (( ${#plain} )) && compadd -l -d described -a plain
    if [[ -n $files ]]; then
        [[ ${given[-1]} == -* ]] && compset -P '*='
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _FUNCTION "$@"
else
    compdef _FUNCTION PROGRAM
fi
`,
	"fish": `# fish completion of PROGRAM
function __FUNCTION_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l word (string unescape -- "$token")
    test -n "$word"; or set word (string trim --left --chars "\"'" -- "$token")
    for line in (command $words[1] __complete fish $words[2..-1] "$word" 2>/dev/null)
        if string match -q -- \t'*' "$line"
            set -l option (string match -r -- '^-[^=]*=' "$word")
            for path in (__fish_complete_path (string replace -r -- '^-[^=]*=' '' "$word"))
                printf '%s\n' "$option$path"
            end
        else
            printf '%s\n' "$line"
        end
    end
end
complete -c PROGRAM -f -a '(__FUNCTION_complete)'
`,
}
