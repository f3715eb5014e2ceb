# bash completion for the command stepwell
_stepwell() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} noun= verb= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --json | --help | --version | --dry-run | --yes | --*=*) ;;
        -*) ((i++)) ;; # with its value
        *) if [ -z "$noun" ]; then noun=${COMP_WORDS[i]}; elif [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; fi ;;
        esac
    done
    case $before in
    --token-file | --body | --output) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --data) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --state)
        mapfile -t COMPREPLY < <(compgen -W "running sleeping stopped succeeded failed cancelled unreadable" -- "$word")
        return ;;
    esac
    local general="--url --token-file --data --json --help --version"
    local filters="--state --endpoint --run-version --label --id --error --step --kind --from --to"
    local words=
    if [ -z "$noun" ]; then
        words="runs bulk functions schedules stats settings journal backup restore check doctor $general"
    else
        case $noun:$verb in
        runs:) words="list show children tail cancel stop release resume signal answer fork export $general" ;;
        runs:list) words="$filters --limit --before $general" ;;
        runs:show) words="--before $general" ;;
        runs:children) words="--limit --before $general" ;;
        runs:stop) words="--text $general" ;;
        runs:resume) words="--timeout-ms $general" ;;
        runs:answer) words="--question $general" ;;
        runs:fork) words="--from-step --body --dry-run $general" ;;
        runs:export | journal:dump) words="--output $general" ;;
        bulk:) words="cancel stop release resume" ;;
        bulk:*) words="$filters --text --dry-run --per-second --max --yes $general" ;;
        functions:) words="list start $general" ;;
        functions:start) words="--key $general" ;;
        schedules:) words="list pause resume trigger forget $general" ;;
        settings:) words="list set delete $general" ;;
        journal:) words="dump verify $general" ;;
        check:*)
            words="--limit $general"
            [[ $word == -* ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$word"); return; } ;;
        restore:* | backup:*) mapfile -t COMPREPLY < <(compgen -d -- "$word"); [[ $word == -* ]] || return ;;&
        *) words=$general ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _stepwell stepwell
