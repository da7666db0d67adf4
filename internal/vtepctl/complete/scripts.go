package complete

// Scripts make a shell ask "vtep-ctl __complete SHELL WORD...", where the last word
// is the one to complete. The answer has a line for each candidate, with a description after
// a tab. bash hands over the line instead of words, because it takes words apart at "=" and
// ":"; for the same reason it wants only what comes after the last of these.
var Scripts = map[string]string{
	"bash": `# bash completion of vtep-ctl
_vtep_ctl() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _vtep_ctl vtep-ctl
`,
	"zsh": `#compdef vtep-ctl
# zsh completion of vtep-ctl
_vtep_ctl() {
    local line
    local -a given plain described open
    given=("${(@Q)words[2,CURRENT]}")
    given[-1]=${given[-1]#[\"\']}
    for line in "${(@f)$(_call_program vtep-ctl "${(q)words[1]}" __complete zsh "${(@q)given}" 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        if [[ ${line%%$'\t'*} == *[=:] ]]; then
            open+=("${line%%$'\t'*}")
        else
            plain+=("${line%%$'\t'*}")
            described+=("${line/$'\t'/  -- }")
        fi
    done
    (( ${#open} )) && compadd -S '' -a open
    (( ${#plain} )) && compadd -l -d described -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _vtep_ctl "$@"
else
    compdef _vtep_ctl vtep-ctl
fi
`,
	"fish": `# fish completion of vtep-ctl
function __vtep_ctl_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l word (string unescape -- "$token")
    test -n "$word"; or set word (string trim --left --chars "\"'" -- "$token")
    command $words[1] __complete fish $words[2..-1] "$word" 2>/dev/null
end
complete -c vtep-ctl -f -a '(__vtep_ctl_complete)'
`,
}
