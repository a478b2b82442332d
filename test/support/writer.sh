# A command for `tenure run` that shows when it works: it appends to a log, again and again, a line of
# its fencing token, its process, its depth, and the seconds since the machine was started. So does
# its child, and the child of that.
#
#   sh writer.sh LOG DEPTH polite|stubborn
#
# "stubborn" ignores SIGTERM. On SIGUSR1 it ends with 0, and leaves its children as they are.
log=$1
depth=$2
[ "$3" = stubborn ] && trap '' TERM
[ "$depth" -gt 0 ] && sh "$0" "$log" $((depth - 1)) "$3" &
trap 'exit 0' USR1
while :; do
  read -r uptime _ < /proc/uptime
  echo "$TENURE_FENCING_TOKEN $$ $depth $uptime" >> "$log"
  sleep 0.02
done
