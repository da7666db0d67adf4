// Package bench measures the programs of this project as their users meet them, from outside
// and beside their peers: the ovsdb-server of Open vSwitch and the kernel.
//
// A benchmark's iterations are rounds, in which the contenders take turns, so that whatever
// else the machine does hits all of them; -benchtime=5x gives five. What is reported are
// medians, and the ratios of each round: their median and their range. On a busy machine
// these hold, while the figures themselves do not.
//
// Units tell what a figure is ("scripts/benchsum" makes a table of them):
//
//	p50:always-µs         the contender "always", in microseconds, of the row "p50"
//	p50:always-x-C        how many times the cost of "C" that is: below 1 is better than C
//	p50:always-x-C-min    the least and the most of all rounds
//	p50:goal-always-x-C   what the project wants it to be at most
//
// An older program can be a contender too, "before", with VTEP_BENCH_BEFORE=PATH: a checkout of any commit
// makes one by "make build". What takes a million MACs or rows is done with VTEP_BENCH_MILLION=1 only, which
// "make bench-million" sets. One row, in the shell:
//
//	BENCH=MACs10k VTEP_BENCH_BEFORE=../before/bin/vtep scripts/bench
//	BENCH='Scale/100000' BENCHTIME=1x VTEP_BENCH_BEFORE=../before/bin/vtep scripts/bench
//	BENCH='Scale' VTEP_BENCH_BEFORE=../before/bin/vtep scripts/bench --million
package bench
