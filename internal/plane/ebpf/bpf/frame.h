// SPDX-License-Identifier: Apache-2.0
// What a frame looks like: addresses, tags, sizes. And the end of those that are dropped.
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include "maps.h"

static __always_inline int drop(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&drops, &reason);

	if (n)
		(*n)++;
	return TC_ACT_SHOT;
}

static __always_inline struct settings *get_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
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

static __always_inline int is_group(const __u8 *mac)
{
	return mac[0] & 1;
}

static __always_inline int is_zero(const __u8 *mac)
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

// 01:80:c2:00:00:00 to 0f: for the neighbour on the wire, not for the bridged network.
static __always_inline int is_reserved(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 &&
	       mac[3] == 0 && mac[4] == 0 && (mac[5] & 0xf0) == 0;
}

// The size of a frame, without the tag of a binding and without FCS. With segmentation
// offload one skb stands for several frames.
struct size {
	__u32 packets;
	__u32 bytes;   // of all of them
	__u32 largest; // bytes of the largest one
	__u32 tagged;  // 1: it has a tag after the one that the binding took
};

// Length of the headers that segmentation repeats in each frame.
static __noinline __u32 header_length(struct __sk_buff *skb)
{
	__u32 off = ETH_HLEN;
	__u8 proto = 0, doff = 0, vihl = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, off, &vihl, 1) ||
		    bpf_skb_load_bytes(skb, off + offsetof(struct iphdr, protocol), &proto, 1))
			return off;
		off += (vihl & 0xf) * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, off + offsetof(struct ipv6hdr, nexthdr), &proto, 1))
			return off;
		off += sizeof(struct ipv6hdr);
	}
	if (proto == 17)
		return off + 8;
	// The 13th byte of a TCP header: its length in the upper half.
	if (proto != 6 || bpf_skb_load_bytes(skb, off + 12, &doff, 1))
		return off;
	return off + (doff >> 4) * 4;
}

static __always_inline void measure(struct __sk_buff *skb, struct size *s)
{
	__u32 header, segment = skb->gso_size;

	s->tagged = skb->vlan_present != 0; // not counted in skb->len
	s->packets = 1;
	s->bytes = skb->len + s->tagged * 4;
	s->largest = s->bytes;
	if (!segment)
		return;
	header = header_length(skb);
	if (header >= skb->len)
		return;
	s->packets = (skb->len - header + segment - 1) / segment;
	s->largest = header + segment + s->tagged * 4;
	s->bytes += (s->packets - 1) * (header + s->tagged * 4);
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
