// SPDX-License-Identifier: Apache-2.0
// Sizes. With segmentation offload one skb stands for several frames, each of which gets a copy
// of the headers. A program may see how long the pieces are, but not where the headers end: that
// has to be found in the bytes, through whatever tunnel a host has put its packets into.
#pragma once

#include <linux/in.h>

#include "frame.h"

#define GSO_BY_FRAGS 0xffff // a gso_size: the pieces differ (SCTP)
#define MOST_HEADERS 12     // that are looked through
#define TRANSPARENT_ETHERNET bpf_htons(0x6558)
#define VXLAN_I 0x08 // first byte of a VXLAN header: it has a VNI

static __always_inline int load16(struct __sk_buff *skb, __u32 at, __be16 *v)
{
	return bpf_skb_load_bytes(skb, at, v, sizeof(*v));
}

// 1 if the Ethernet frame at `at` has an IP packet that is all of the rest. Datagrams that UDP
// segments and that hold frames by chance do not pass: theirs end with the piece.
static __always_inline int is_rest(struct __sk_buff *skb, __u32 at)
{
	__be16 proto, length;

	at += 2 * ETH_ALEN;
	if (load16(skb, at, &proto))
		return 0;
	if (is_tag(proto)) {
		at += 4;
		if (load16(skb, at, &proto))
			return 0;
	}
	at += 2;
	if (proto == bpf_htons(ETH_P_IP))
		return !load16(skb, at + offsetof(struct iphdr, tot_len), &length) &&
		       at + bpf_ntohs(length) == skb->len;
	return proto == bpf_htons(ETH_P_IPV6) &&
	       !load16(skb, at + offsetof(struct ipv6hdr, payload_len), &length) &&
	       at + sizeof(struct ipv6hdr) + bpf_ntohs(length) == skb->len;
}

// Where the Ethernet header is that VXLAN or Geneve has after the UDP header that ends at `at`,
// or 0 if there is no frame in a tunnel.
static __always_inline __u32 in_udp(struct __sk_buff *skb, __u32 at)
{
	__be16 proto;
	__u8 first;

	if (bpf_skb_load_bytes(skb, at, &first, 1))
		return 0;
	if (first & VXLAN_I && is_rest(skb, at + 8))
		return at + 8;
	if (load16(skb, at + 2, &proto) || proto != TRANSPARENT_ETHERNET)
		return 0;
	at += 8 + (first & 0x3f) * 4;
	return is_rest(skb, at) ? at : 0;
}

// Length of an extension header of IPv6 that a segmented packet may have; 0: proto is none. n is
// its second byte. Fragments are not segmented.
static __always_inline __u32 extension_length(__u8 proto, __u8 n)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return (n + 1) * 8;
	case IPPROTO_AH:
		return (n + 2) * 4;
	}
	return 0;
}

// How far the headers have been looked through. What it begins with comes from the frame, so
// that the verifier can't know it; see struct flooding.
struct headers {
	struct __sk_buff *skb;
	__u32 off;    // where the next one is
	__be16 ether; // ethertype of that; 0: proto says
	__u8 proto;
};

// Goes past one header. 1: it was the last.
static long next_header(__u32 i, void *ctx)
{
	struct headers *h = ctx;
	struct __sk_buff *skb = h->skb;
	__be16 ether = h->ether;
	__u32 off = h->off, length;
	__u8 b[4];

	h->ether = 0;
	if (ether == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, off, b, 1) ||
		    bpf_skb_load_bytes(skb, off + offsetof(struct iphdr, protocol), &h->proto, 1))
			return 1;
		h->off = off + (b[0] & 0xf) * 4;
		return 0;
	}
	if (ether == bpf_htons(ETH_P_IPV6)) {
		h->off = off + sizeof(struct ipv6hdr);
		return bpf_skb_load_bytes(skb, off + offsetof(struct ipv6hdr, nexthdr), &h->proto, 1) != 0;
	}
	if (is_tag(ether)) {
		h->off = off + 4;
		return load16(skb, off + 2, &h->ether) != 0;
	}
	if (ether == TRANSPARENT_ETHERNET) {
		h->off = off + ETH_HLEN;
		return load16(skb, off + 2 * ETH_ALEN, &h->ether) != 0;
	}
	if (ether || bpf_skb_load_bytes(skb, off, b, sizeof(b)))
		return 1;
	switch (h->proto) {
	case IPPROTO_TCP:
		// The 13th byte: its length in the upper half.
		if (!bpf_skb_load_bytes(skb, off + 12, b, 1))
			h->off = off + (b[0] >> 4) * 4;
		return 1;
	case IPPROTO_SCTP:
		h->off = off + 12;
		return 1;
	case IPPROTO_UDP:
		h->off = off + 8;
		off = in_udp(skb, off + 8);
		if (!off)
			return 1;
		h->off = off;
		h->ether = TRANSPARENT_ETHERNET;
		return 0;
	case IPPROTO_GRE:
		// Checksum, key and sequence number are there if their bits are.
		h->off = off + 4 + (b[0] >> 7 & 1) * 4 + (b[0] >> 5 & 1) * 4 + (b[0] >> 4 & 1) * 4;
		h->ether = bpf_htons(b[2] << 8 | b[3]);
		return 0;
	case IPPROTO_IPIP:
		h->ether = bpf_htons(ETH_P_IP);
		return 0;
	case IPPROTO_IPV6:
		h->ether = bpf_htons(ETH_P_IPV6);
		return 0;
	}
	length = extension_length(h->proto, b[1]);
	if (!length)
		return 1;
	h->off = off + length;
	h->proto = b[0];
	return 0;
}

// Looks through the headers to the last one that segmentation repeats in each frame. Before what is
// not known it stops. What it gives: where that is, and from bit 32 on its protocol.
__noinline __u64 find_headers(struct __sk_buff *skb)
{
	struct headers h = {.skb = skb, .off = ETH_HLEN, .ether = skb->protocol};

	if (!bpf_skb_load_bytes(skb, ETH_HLEN, &h.proto, 1))
		bpf_loop(MOST_HEADERS, next_header, &h, 0);
	return h.off | (__u64)h.proto << 32;
}

static __always_inline void measure(struct __sk_buff *skb, __u32 features, struct size *s)
{
	__u32 header, segment = skb->gso_size;

	s->tagged = skb->vlan_present != 0; // not counted in skb->len
	s->features = features;
	s->leaves = 0;
	s->packets = 1;
	s->bytes = skb->len + s->tagged * 4;
	s->largest = s->bytes;
	if (!segment)
		return;
	header = find_headers(skb);
	if (header >= skb->len)
		return;
	if (segment == GSO_BY_FRAGS) {
		// Nothing tells the pieces apart here. If they were all alike they would have this
		// size, so that the largest has at least that; for the rest the kernel looks.
		if (!skb->gso_segs)
			return;
		segment = (skb->len - header + skb->gso_segs - 1) / skb->gso_segs;
		s->packets = skb->gso_segs;
	} else {
		s->packets = (skb->len - header + segment - 1) / segment;
	}
	s->largest = header + segment + s->tagged * 4;
	s->bytes += (s->packets - 1) * (header + s->tagged * 4);
}
