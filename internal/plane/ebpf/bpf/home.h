// SPDX-License-Identifier: Apache-2.0
// A device can be moved to another network namespace, and takes its programs with it: there the
// same interface numbers mean other devices. The agent hears of that and detaches them; while
// there is no agent, the programs look where they are themselves.
#pragma once

#include "frame.h"

#define ALIVE_FOR (30 * 1000000000LL) // ns after which an agent that did not say so is dead

// 1 if the frame is not in the VTEP's network namespace. No helper tells which one that is. But
// the VTEP's has an id for itself that no other one has, and the UDP socket of its vxlan device
// outlives the agent: where that can be found under that id is home. Without a vxlan device it
// can't be told.
__noinline int is_elsewhere(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct bpf_sock_tuple to = {};
	struct bpf_sock *sk;

	if (!cfg || !cfg->home || !cfg->vxlan_ifindex)
		return 0;
	// The coarse clock may be behind the agent's.
	if ((__s64)(bpf_ktime_get_coarse_ns() - cfg->alive) < ALIVE_FOR)
		return 0;
	to.ipv4.daddr = bpf_htonl(cfg->tunnel_ip);
	to.ipv4.dport = bpf_htons(vxlan_port);
	sk = bpf_sk_lookup_udp(skb, &to, sizeof(to.ipv4), cfg->home, 0);
	if (!sk)
		return 1;
	bpf_sk_release(sk);
	return 0;
}
