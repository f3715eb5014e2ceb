cd /tmp/entm; rm -rf d; mkdir d
P=$1
$P --serve --listen 127.0.0.1:0 --data d/data --dev --loops 1 >log 2>&1 </dev/null & pid=$!
until grep -q 'listening on' log; do sleep 0.1; done
A=$(sed -n 's/.*listening on \([^ ]*\).*/\1/p' log | head -1)
case $A in http*) ;; *) A=http://$A;; esac
for i in $(seq 50); do curl -s -o /dev/null $A/long; done
kill $pid; wait $pid
for p in $2; do
$p --serve --listen 127.0.0.1:0 --data d/data --dev --loops 1 >log 2>&1 </dev/null & pid=$!
until grep -q 'listening on' log; do sleep 0.1; done
A=$(sed -n 's/.*listening on \([^ ]*\).*/\1/p' log | head -1)
case $A in http*) ;; *) A=http://$A;; esac
for i in 1 2 3 4 5; do curl -s -o out.$i -w "%{time_total} s %{size_download} B\n" $A/_sw/runs; done
grep -E "VmHWM|VmRSS" /proc/$pid/status
kill $pid; wait $pid
done
