#!/usr/bin/env bash
# check.sh PROGRAM COUNTS OBJDUMP WORK: runs the program in the emulator, one instruction at a time, and counts for the last
# call of each operation the instructions, and those of them that are atomic or a barrier. Fails if COUNTS has others.
set -euo pipefail
program=$1 counts=$2 objdump=$3 work=$4
mkdir -p "$work"
qemu-aarch64 -singlestep -d exec,nochain -D "$work/trace" "$program"
"$objdump" -d --no-show-raw-insn "$program" >"$work/disassembly"
awk '
    FNR == NR { if ($1 ~ /^[0-9a-f]+:$/) opcode[substr($1, 1, length($1) - 1)] = $2; next }
    { name = $NF; split($0, part, "/"); address = part[2]; sub(/^0+/, "", address) }
    name == "main" { if (operation ~ /^operation_/) { all[operation] = instructions; atomic[operation] = atomics }
                     operation = ""; instructions = atomics = 0; began = 1; next }
    began { if (operation == "") operation = name
            ++instructions
            if (opcode[address] ~ /^(dmb|dsb|isb|ldar|ldapr|ldax|ldx|stlr|stlx|stx|cas|swp|ldadd|ldset|ldclr|ldeor)/) ++atomics }
    END { for (name in all) printf "%-26s %4d %2d\n", name, all[name], atomic[name] }
' "$work/disassembly" "$work/trace" | LC_ALL=C sort >"$work/counts"
diff -u "$counts" "$work/counts" && exit
echo "These are counts of Debian's g++-12. Is the change intended? Then copy $work/counts to $counts."
exit 1
