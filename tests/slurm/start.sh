#!/bin/sh
# A Slurm of one node on the loopback, for tests: sh tests/slurm/start.sh FOLDER, as root, with Debian's slurm-wlm and
# munge installed. `sh tests/slurm/start.sh FOLDER stop` ends it. Nothing of it is left outside FOLDER and /run/munge.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
export SLURM_CONF="$folder/slurm.conf"

if [ "${2:-start}" = stop ]; then
    for daemon in slurmd slurmctld munged; do
        if [ -f "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true; fi
    done
    exit 0
fi

mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
chmod 700 "$folder/munge"
[ -f "$folder/munge/munge.key" ] || dd if=/dev/urandom of="$folder/munge/munge.key" bs=128 count=1 2>/dev/null
chmod 600 "$folder/munge/munge.key"

# No cgroups and no accounting: jobs are followed by their process groups, so that it runs in a container, too.
cat > "$SLURM_CONF" <<END
ClusterName=loopback
SlurmctldHost=$(hostname -s)(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=${SLURM_TEST_PORT:-16817}
SlurmdPort=$((${SLURM_TEST_PORT:-16817} + 1))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
# slurmd wants a plugin for them all the same, one that suits the machine; newer releases have "disabled".
plugin=cgroup/v1
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then plugin=cgroup/v2; fi
if [ -f "$(dirname "$(find /usr/lib -name cgroup_v1.so | head -n 1)")/cgroup_disabled.so" ]; then plugin=disabled; fi
echo "CgroupPlugin=$plugin" > "$folder/cgroup.conf"

munged --force --key-file="$folder/munge/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munge/munged.log" --seed-file="$folder/munge/seed"
slurmctld -i
slurmd -N "$(hostname -s)"
for _ in $(seq 60); do
    if sinfo --noheader --format=%T | grep -q idle; then exec sinfo; fi
    sleep 1
done
tail "$folder/slurmctld.log" "$folder/slurmd.log"
exit 1
