package ebpf

// The programs are compiled ahead of time and committed, so that building needs no clang.
// Little endian only: amd64, arm64, riscv64. The objects use the kernel's UAPI headers
// alone, hence need no kernel BTF.
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem vtep -no-global-types vtep bpf/vtep.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu

// The programs of captures (capture.go): the same, and what looks at frames.
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem capture -no-global-types capture bpf/vtep.c -- -DCAPTURE -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu

// The programs of native XDP (xdp.go), and those for devices of which frames may come in buffers of the kernel.
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem xdp -no-global-types xdp bpf/xdp.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem xdpveth -no-global-types xdpveth bpf/xdp.c -- -DVETH -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu

// What stands in for helpers in a rehearsal (rehearsal.go).
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem rehearse -no-global-types rehearse bpf/rehearse.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu

// The types and numbers that they share with the process.
//
//go:generate go run ./layout/gen layout/c.go bpf/maps bpf/control.h bpf/rehearsal.h bpf/captured.h -- -O2 -mcpu=v3 -Wall -Wextra -Werror -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu
