// SPDX-License-Identifier: Apache-2.0
// What a frame looks like: addresses, tags, sizes. And the end of those that are dropped.
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include "capture.h"
#include "control.h"
#include "maps.h"

// The UDP port of VXLAN: the agent sets it when it loads the programs.
const volatile __u16 vxlan_port = 4789;

#define CAME_WHAT 0xffffff

// Of the fields of fragments: where they are in the packet; of IPv4 also whether there are more.
#define FRAGMENT_OFFSET bpf_htons(0x1fff)
#define FRAGMENT_ANY bpf_htons(0x3fff)
#define FRAGMENT_OFFSET6 bpf_htons(0xfff8)

static __always_inline void came_by_port(struct __sk_buff *skb, __u32 vid)
{
	skb->cb[0] = BY_PORT | vid;
	skb->cb[1] = skb->ingress_ifindex;
}

static __always_inline void came_by_tunnel(struct __sk_buff *skb, struct address *from, __u32 vni)
{
	skb->cb[0] = BY_TUNNEL | vni;
	skb->cb[1] = from->word[0];
	skb->cb[2] = from->word[1];
	skb->cb[3] = from->word[2];
	skb->cb[4] = from->word[3];
}

// The IPv4 address, network byte order, as struct address has it.
static __always_inline struct address address4(__be32 ip)
{
	struct address a = {.word = {0, 0, bpf_htonl(0xffff), ip}};

	return a;
}

static __always_inline int is_address4(struct address *a)
{
	return !a->word[0] && !a->word[1] && a->word[2] == bpf_htonl(0xffff);
}

static __always_inline int same_address(struct address *a, struct address *b)
{
	return !((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
		 (a->word[3] ^ b->word[3]));
}

static __always_inline int is_no_address(struct address *a)
{
	return !(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

// Not inlined: it is called from everywhere, and seldom.
__noinline int drop(struct __sk_buff *skb, __u32 reason)
{
	// One for both, and for the reason: whoever calls may have little of the stack left.
	union {
		struct port_place port;
		struct tunnel_place tunnel;
	} where = {.tunnel = {.reason = reason}};
	__u64 *n = bpf_map_lookup_elem(&drops, &where.tunnel.reason), one = 1;
	__u32 came = skb->cb[0];

	capture(skb, CAPTURE_DROP, reason, 0);
	if (n)
		(*n)++;
	if (came & BY_PORT) {
		where.port.ifindex = skb->cb[1];
		where.port.vid = came & CAME_WHAT;
		n = bpf_map_lookup_elem(&port_drops, &where.port);
		if (n)
			__sync_fetch_and_add(n, 1);
		else
			bpf_map_update_elem(&port_drops, &where.port, &one, BPF_ANY);
	} else if (came & BY_TUNNEL) {
		where.tunnel.vni = came & CAME_WHAT;
		where.tunnel.ip.word[0] = skb->cb[1];
		where.tunnel.ip.word[1] = skb->cb[2];
		where.tunnel.ip.word[2] = skb->cb[3];
		where.tunnel.ip.word[3] = skb->cb[4];
		n = bpf_map_lookup_elem(&tunnel_drops, &where.tunnel);
		if (n)
			__sync_fetch_and_add(n, 1);
		else
			bpf_map_update_elem(&tunnel_drops, &where.tunnel, &one, BPF_ANY);
	}
	return TC_ACT_SHOT;
}

static __always_inline struct settings *get_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

// Whether tunnels may end at the address, which is not one that they begin at.
static __noinline int is_end(struct address *a)
{
	__u64 *until = a ? bpf_map_lookup_elem(&ends, a) : NULL;

	return until && (!*until || bpf_ktime_get_coarse_ns() < *until);
}

// Whether tunnels may end here; the IP is in network byte order.
static __always_inline int is_end4(struct settings *cfg, __be32 ip)
{
	struct address a = address4(ip);

	return cfg->vxlan_ifindex && (bpf_ntohl(ip) == cfg->tunnel_ip || is_end(&a));
}

static __always_inline int is_end6(struct settings *cfg, struct address *ip)
{
	return cfg->vxlan_ifindex && (same_address(ip, &cfg->tunnel_ip6) || is_end(ip));
}

static __always_inline int is_tag(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

// The header of the frame, or NULL. A pointer into the frame dies with the next helper
// that changes the frame, so callers copy what they need.
static __always_inline struct ethhdr *ethernet(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;

	if (data + sizeof(struct ethhdr) > (void *)(long)skb->data_end)
		return NULL;
	return data;
}

static __always_inline int is_ip(__be16 proto)
{
	return proto == bpf_htons(ETH_P_IP) || proto == bpf_htons(ETH_P_IPV6);
}

static __always_inline int is_group(const __u8 *mac)
{
	return mac[0] & 1;
}

// Addresses begin at even places everywhere.
static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const void *)a, *y = (const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline int is_broadcast(const __u8 *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static __always_inline int is_zero(const __u8 *mac)
{
	const __u16 *x = (const void *)mac;

	return !(x[0] | x[1] | x[2]);
}

// 1 if no host can have the address: a group's, or all zeroes.
static __always_inline int is_nobody(const __u8 *mac)
{
	return is_group(mac) || is_zero(mac);
}

// 01:80:c2:00:00:00 to 0f: for the neighbour on the wire, not for the bridged network.
static __always_inline int is_reserved(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 &&
	       mac[3] == 0 && mac[4] == 0 && (mac[5] & 0xf0) == 0;
}

// 00:23:20:00:00:01, the address of BFD between VTEPs. No host has it.
static __always_inline int is_bfd_mac(const __u8 *mac)
{
	return mac[0] == 0x00 && mac[1] == 0x23 && mac[2] == 0x20 && mac[3] == 0 && mac[4] == 0 && mac[5] == 1;
}

#define BFD_PORT 3784
#define BFD_IP 0xa9fe0100 // 169.254.1.0, or .1 on the other side

// Whether what came by a tunnel is of BFD between VTEPs (RFC 5880), as Open vSwitch and NSX do it.
__noinline int is_bfd(struct __sk_buff *skb)
{
	struct ethhdr eth;
	struct iphdr ip;
	__be16 port;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return 0;
	if (is_bfd_mac(eth.h_dest))
		return 1;
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return 0;
	return ip.ihl == 5 && ip.protocol == IPPROTO_UDP && (bpf_ntohl(ip.daddr) & ~1) == BFD_IP &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip) + 2, &port, sizeof(port)) &&
	       port == bpf_htons(BFD_PORT);
}

// The Internet checksum: add16 sums words up, fold16 makes the field of it.
static __always_inline __u32 add16(__u32 sum, const void *data, int length)
{
	const __u16 *p = data;
	int i;

#pragma unroll
	for (i = 0; i < length / 2; i++)
		sum += p[i];
	return sum;
}

static __always_inline __u16 fold16(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return ~sum;
}

// The checksum of an IPv4 header without options. Over a header that has one: 0 if right.
static __always_inline __u16 ip_checksum(const void *ip)
{
	return fold16(add16(0, ip, sizeof(struct iphdr)));
}
