package ebpf

// The programs are compiled ahead of time and committed, so that building needs no clang.
// Little endian only: amd64, arm64, riscv64. The objects use the kernel's UAPI headers
// alone, hence need no kernel BTF.
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem vtep -type bind_key -type member -type traffic -type mac_key -type remote -type local -type quota -type tunnel_key -type peer -type flood_set -type chunk_key -type chunk -type target -type decap -type punt_head -type punt_count -type snooped_address -type gateway -type route_key4 -type route_key6 -type way -type ip_key -type neighbor -type settings -type switch_id -type device -type bfd_session -type bfd_traffic -type address -type port_place -type tunnel_place -type acl -type acl_block -type acl_count vtep bpf/vtep.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu

// What stands in for helpers in a rehearsal (rehearsal.go).
//
//go:generate go tool bpf2go -go-package ebpf -target bpfel -output-stem rehearse rehearse bpf/rehearse.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -isystem $VTEP_TESTROOT/usr/include -isystem $VTEP_TESTROOT/usr/include/x86_64-linux-gnu -isystem $VTEP_TESTROOT/usr/include/aarch64-linux-gnu
