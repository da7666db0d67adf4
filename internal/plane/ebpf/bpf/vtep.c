// SPDX-License-Identifier: Apache-2.0
// The programs. Each is attached at TC ingress of a device and decides every frame itself:
// nothing is left to the host's stack, as on the ports of a bridge. Only the underlay is the
// host's own; there a program picks out what it can deliver at once.
//
//   vtep_port     port ------> from_port     -> member | tunnel | flood | drop | a stage
//   vtep_overlay  vxlan -----> from_overlay  -> member | flood to members | the agent (BFD) | drop
//   vtep_underlay underlay --> from_underlay -> member | (the host, hence vxlan)
//
// Functions that are not inlined are not static, where that is possible: to the verifier these stand
// alone, and it looks at each once, not for each call with what the caller happens to know there.

#ifdef CAPTURE
#include "capturing.h"
#endif
#include "gateway.h"
#include "overhear.h"
#include "overlay.h"
#include "port.h"
#include "route.h"
#include "send.h"
#include "underlay.h"

SEC("tc")
int vtep_port(struct __sk_buff *skb)
{
	return from_port(skb);
}

SEC("tc")
int vtep_overlay(struct __sk_buff *skb)
{
	return from_overlay(skb);
}

SEC("tc")
int vtep_underlay(struct __sk_buff *skb)
{
	return from_underlay(skb);
}

// The stages, in the order of enum stage.
SEC("tc")
int vtep_neighbor(struct __sk_buff *skb)
{
	return neighbor(skb);
}

SEC("tc")
int vtep_overhear(struct __sk_buff *skb)
{
	return overhear_port(skb);
}

SEC("tc")
int vtep_route(struct __sk_buff *skb)
{
	return route(skb);
}

SEC("tc")
int vtep_forward(struct __sk_buff *skb)
{
	return go_forward(skb);
}

// Not attached: run by the agent for each frame that it sends itself.
SEC("tc")
int vtep_send(struct __sk_buff *skb)
{
	return send(skb);
}

// Not attached: run once at start to find out whether the kernel lets a program choose the
// source of a tunnel.
SEC("tc")
int vtep_probe(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {.tunnel_id = 1, .remote_ipv4 = 1, .local_ipv4 = 1};

	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX);
}

// Not attached: run by the agent to forget MACs. A program can take an entry's places back
// with the entry, while others move it; the agent could not.
SEC("tc")
int vtep_forget(struct __sk_buff *skb)
{
	return forget(skb);
}

char _license[] SEC("license") = "Apache-2.0";
