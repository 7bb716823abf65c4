# Ends the commands of a worker that is gone. Each line from it is about one process group, and its grace in seconds:
# "+ GROUP SECONDS" it runs, "~ GROUP SECONDS" it has been told to end, "- GROUP SECONDS" it is over.
trap '' HUP INT QUIT TERM
fresh=' '
asked=' '

# Sets rest to the list $1 without the entry $2.
without() {
  case $1 in
    *" $2 "*) rest="${1%%" $2 "*} ${1#*" $2 "}" ;;
    *) rest=$1 ;;
  esac
}

# Kills the group $1 when it is still there after $2 seconds.
kill_later() {
  left=$2
  while [ "$left" -gt 0 ] && kill -s 0 -- "-$1"; do
    sleep 1
    left=$((left - 1))
  done
  kill -s KILL -- "-$1"
}

while IFS=' ' read -r what group seconds; do
  entry=$group/$seconds
  without "$fresh" "$entry"
  fresh=$rest
  case $what in
    +) fresh="$fresh$entry " ;;
    '~') asked="$asked$entry " ;;
    -)
      without "$asked" "$entry"
      asked=$rest
      ;;
  esac
done

for entry in $fresh; do
  kill -s TERM -- "-${entry%/*}"
done
for entry in $fresh $asked; do
  kill_later "${entry%/*}" "${entry#*/}" &
done
wait
