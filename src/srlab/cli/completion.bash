# Completes srlab's commands, groups, choices and keys: eval "$(srlab -sc install=bash)"
_srlab() {
    local line=${COMP_LINE:0:COMP_POINT} words=() helper=() start=1 offered current word
    read -ra words <<< "$line"
    if [[ $line == *[[:space:]] ]]; then words+=(""); fi
    current=${words[-1]}
    helper=("${words[0]/#\~/$HOME}")
    if [[ ${words[0]##*/} == python* ]]; then  # python -m srlab.COMMAND
        if [[ ${words[1]} != -m || ${words[2]} != srlab* ]]; then return; fi
        helper+=(-m "${words[2]}")
        start=3
    fi
    if ((${#words[@]} == start)); then
        offered=$(printf 'srlab.%s ' COMMANDS)
    elif [[ ${words[start - 1]} != srlab.* ]] && ((${#words[@]} == start + 1)); then
        offered="COMMANDS"
    else
        if [[ ${words[start - 1]} != srlab.* ]]; then
            helper+=("${words[start]}")
            start=$((start + 1))
        fi
        offered=$(COMP_LINE="srlab ${words[*]:start}" "${helper[@]}" -sc query=bash 2> /dev/null)
    fi
    read -ra words <<< "$offered"
    # Readline replaces what follows the last of these characters, which Hydra's words contain.
    local kept=${current%"${current##*[$COMP_WORDBREAKS]}"}
    COMPREPLY=()
    for word in "${words[@]}"; do
        if [[ $word == "$current"?* ]]; then COMPREPLY+=("${word#"$kept"}"); fi
    done
}
complete -o nospace -o default -F _srlab srlab python python3
