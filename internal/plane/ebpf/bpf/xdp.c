// SPDX-License-Identifier: Apache-2.0
// The programs of native XDP, in front of those of vtep.c and with the same maps. They are compiled twice: with
// VETH, for devices of which frames may come in buffers of the kernel, with checksums that are not finished.
//
//   vtep_xdp_port     port ------> native_port     -> member | tunnel | XDP_PASS: vtep_port
//   vtep_xdp_underlay underlay --> native_underlay -> member | XDP_PASS: vtep_underlay

#include "maps/xdp.h"
#include "xdp.h"

SEC("xdp.frags")
int vtep_xdp_port(struct xdp_md *x)
{
	return counted(native_port(x));
}

SEC("xdp.frags")
int vtep_xdp_underlay(struct xdp_md *x)
{
	return counted(native_underlay(x));
}

char _license[] SEC("license") = "Apache-2.0";
