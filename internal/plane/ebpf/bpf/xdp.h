// SPDX-License-Identifier: Apache-2.0
// Known unicast by native XDP: in the driver, before the kernel makes a buffer of its own of a frame. Only what
// the programs at TC ingress would do in the same way, byte for byte and count for count, is done here; for every
// other frame the answer is XDP_PASS, with nothing counted and nothing changed, and they see it. Nothing is dropped
// here.
#pragma once

#include "finished.h"
#include "overlay.h"
#include "port.h"

static __always_inline void count_native(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&native_counts, &what);

	if (n)
		(*n)++;
}

// Whether the frame may be handled here. Without an agent, which looks after what is written of the
// neighbours and tells of a device that got into another network namespace, all pass after a while.
static __always_inline int is_native(struct xdp_md *x)
{
	__u32 zero = 0;
	struct native *n = bpf_map_lookup_elem(&native, &zero);
	__u64 tick = bpf_jiffies64(); // costs less than the clock

	if (!n || !(n->flags & NATIVE_ON))
		return 0;
	if (n->since != tick) {
		if ((__s64)(bpf_ktime_get_coarse_ns() - n->alive) >= ALIVE_FOR)
			return 0;
		n->since = tick;
	}
	return bpf_xdp_get_buff_len(x) == x->data_end - x->data; // or some of it is elsewhere
}

// What has to be known of the IP packet in a frame.
struct inside {
	__u32 tos;  // or traffic class
	__u32 flow; // the same for all packets of a flow
	__u32 icmp6;
};

static __always_inline __u32 mix(__u64 a, __u64 b)
{
	a = (a ^ b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	return a >> 32 ^ a >> 17;
}

// 0: not all of the header is there.
static __always_inline int look_at(void *at, void *end, __be16 proto, struct inside *p)
{
	__u64 from, to, ports = 0;
	__u8 next;

	p->icmp6 = 0;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end)
			return 0;
		p->tos = ip->tos;
		next = ip->protocol;
		from = ip->saddr;
		to = ip->daddr;
		at += ip->ihl * 4;
		if (ip->frag_off & FRAGMENT_ANY)
			next = 0; // not all fragments have ports
	} else {
		struct ipv6hdr *ip = at;
		__u64 *half = at + offsetof(struct ipv6hdr, saddr);

		if ((void *)(ip + 1) > end)
			return 0;
		p->tos = bpf_ntohs(*(__be16 *)at) >> 4 & 0xff;
		next = ip->nexthdr;
		from = half[0] ^ half[1] << 1;
		to = half[2] ^ half[3] << 1;
		p->icmp6 = next == IPPROTO_ICMPV6;
		at += sizeof(*ip);
	}
	if ((next == IPPROTO_TCP || next == IPPROTO_UDP) && at + 4 <= end)
		ports = *(__u32 *)at;
	p->flow = mix(from << 32 ^ from >> 32 ^ to, ports << 8 | next);
	return 1;
}

// What a member makes of a frame.
struct outlet {
	__u32 slot;
	__u32 tag; // as it is on the wire, protocol first; 0: none
};

static __always_inline struct outlet outlet_of(struct member *m, __u32 slot, struct size *s)
{
	struct outlet o = {.slot = slot};
	__u32 proto = m->flags & MEMBER_SERVICE_TAG ? ETH_P_8021AD : ETH_P_8021Q;

	if (m->vid)
		o.tag = bpf_htonl(proto << 16 | m->vid | tag_priority(s));
	return o;
}

// Says that the frame is to leave by the device, which it does as soon as the program ends with that action, and not
// with XDP_PASS: nothing of it has to be as it will be. 0: the device takes none from here.
static __always_inline int may_redirect(__u32 outlet, __u32 ifindex)
{
	__u32 *device = bpf_map_lookup_elem(&outlets, &outlet);

	return device && *device == ifindex && bpf_redirect_map(&outlets, outlet, XDP_PASS) == XDP_REDIRECT;
}

// The same, by the member. Not for frames that are shorter than Ethernet's: many drivers pad what they send
// for the kernel, and not what they send for XDP.
static __always_inline int has_outlet(struct member *m, struct size *s)
{
	return s->bytes + (m->vid ? 4 : 0) >= ETH_ZLEN && !(m->features & FEATURES_GUARDED) && fits_member(m, s) == FITS &&
	       may_redirect(m->port, m->ifindex);
}

// As ip_checksum does it, in longer steps, which are for what is not on the stack.
static __always_inline __u16 header_checksum(void *ip)
{
	__be32 *word = ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold16((sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32));
}

// The Ethernet addresses of a frame, to be written elsewhere.
struct macs {
	__u16 half[ETH_ALEN];
};

// Takes bytes away before the ethertype of the frame (or adds some, if there are less than none) and writes what is
// to be there instead. 0: it is as it was.
static __always_inline int reframe(struct xdp_md *x, int bytes, struct macs *macs, __u32 tag)
{
	__u32 length = sizeof(*macs) + (tag ? 4 : 0);
	void *data;

	if (tag)
		bytes -= 4;
	if (bytes && bpf_xdp_adjust_head(x, bytes))
		return 0;
	if (!bytes && !tag)
		return 1;
	data = (void *)(long)x->data;
	if (data + sizeof(*macs) + 4 > (void *)(long)x->data_end)
		return 0;
	__builtin_memcpy(data, macs, sizeof(*macs));
	if (length > sizeof(*macs))
		__builtin_memcpy(data + sizeof(*macs), &tag, sizeof(tag));
	return 1;
}

// ---- ports -----------------------------------------------------------------------------

// Fills in what goes before a frame of size s, but for its own Ethernet header. 0: by this way, or from here, it can't go.
static __always_inline int surround(struct tunnelled *o, struct settings *cfg, struct remote *r, struct size *s,
				    struct inside *in)
{
	__u32 peer = r->peer;
	struct peer *p = bpf_map_lookup_elem(&peers, &peer);
	struct adjacency *a = bpf_map_lookup_elem(&adjacencies, &peer);

	if (!p || !a || !cfg->vxlan_ifindex || !(cfg->flags & CONFIG_DIRECT_ENCAP) || !cfg->tunnel_ip)
		return 0;
	if (!has_short_way(p) || !fits_tunnel(p, s))
		return 0;
	if (!(a->flags & ADJACENCY_OUT) || a->ifindex != p->ifindex || a->hop != p->hop.word[3])
		return 0;
	if (!may_redirect(a->outlet, p->ifindex))
		return 0;
	__builtin_memset(o, 0, sizeof(*o));
	__builtin_memcpy(o->eth.h_dest, a->dst, ETH_ALEN);
	__builtin_memcpy(o->eth.h_source, a->src, ETH_ALEN);
	o->eth.h_proto = bpf_htons(ETH_P_IP);
	fill_headers(&o->e, s->bytes + OUTER_HEADERS, cfg->tunnel_ip, tunnel_priority(s) | ecn_outside(in->tos & ECN_MASK), in->flow);
	o->e.ip.daddr = p->ip.word[3];
	o->e.ip.check = ip_checksum(&o->e);
	o->e.vni = bpf_htonl(r->vni << 8);
	return 1;
}

static __always_inline int native_port(struct xdp_md *x)
{
	void *data = (void *)(long)x->data, *end = (void *)(long)x->data_end, *at;
	__u32 slot = 0, vid = 0, pcp = 0, tag = 0, out;
	__u64 now = bpf_ktime_get_coarse_ns();
	struct settings *cfg = get_config();
	struct mac_key src = {}, dst = {};
	struct member *m, *to = NULL;
	struct local *known;
	struct ethhdr *eth = data;
	struct inside in = {};
	struct size size = {};
	struct tunnelled around;
	struct remote *r;
	struct outlet o;
	struct macs macs;
	__be16 proto;
	int strip;

	if (!cfg || cfg->flags & CONFIG_GBP || (void *)(eth + 1) > end || !is_native(x))
		return XDP_PASS;
	if (is_group(eth->h_dest) || is_nobody(eth->h_source))
		return XDP_PASS;
	proto = eth->h_proto;
	at = eth + 1;
	if (is_tag(proto)) {
		__be16 *tci = at;

		if ((void *)(tci + 2) > end)
			return XDP_PASS;
		tag = bpf_ntohs(proto);
		vid = bpf_ntohs(tci[0]) & 0xfff;
		pcp = bpf_ntohs(tci[0]) >> 13;
		proto = tci[1];
		at = tci + 2;
	}
	if (!is_ip(proto) || !look_at(at, end, proto, &in))
		return XDP_PASS;
	m = find_binding(x->ingress_ifindex, tag, vid, &slot, &strip);
	if (!m || (tag && !strip) || m->features & FEATURES_GUARDED)
		return XDP_PASS;
	// What a stage may want: messages of Neighbor Discovery.
	if (in.icmp6 && m->features & FEATURES_WITH_STAGES)
		return XDP_PASS;
	size.packets = 1;
	size.bytes = size.largest = end - data - (strip ? 4 : 0);
	size.features = m->features;
	size.leaves = both_priorities(cfg->flags, in.tos, strip ? pcp << 5 : 0);

	src.bd = dst.bd = m->bd;
	__builtin_memcpy(src.mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	known = bpf_map_lookup_elem(&locals, &src);
	if (!known || known->slot != slot || known->gen != m->gen)
		return XDP_PASS; // to be learned
	if (cfg->flags & CONFIG_WATCHED && bpf_map_lookup_elem(&watched, &src))
		return XDP_PASS; // to be told of
	if (!is_finished(x, at - data, proto))
		return XDP_PASS;

	__builtin_memcpy(&macs, data, sizeof(macs));
	r = bpf_map_lookup_elem(&remotes, &dst);
	if (r && r->peer != ATTACHED_PEER) {
		if (r->peer == ROUTER_PEER || !surround(&around, cfg, r, &size, &in))
			return XDP_PASS;
		__builtin_memcpy(&around.e.inner, &macs, sizeof(macs));
		around.e.inner.h_proto = proto;
		if (bpf_xdp_adjust_head(x, (strip ? 4 : 0) - (int)sizeof(around.e)))
			return XDP_PASS;
		data = (void *)(long)x->data;
		if (data + sizeof(around) > (void *)(long)x->data_end)
			return XDP_PASS; // never: it was longer than that before
		__builtin_memcpy(data, &around, sizeof(around));
		count_in(slot, &size);
		see(known, now);
		use_path(r->peer);
		count_to_peer(r->peer, &size);
		count_native(NATIVE_ENCAPSULATED);
		return XDP_REDIRECT;
	}
	out = find_slot(&dst, r, &to);
	if (!to || out == slot || !has_outlet(to, &size))
		return XDP_PASS;
	o = outlet_of(to, out, &size);
	if (!reframe(x, strip ? 4 : 0, &macs, o.tag))
		return XDP_PASS;
	count_in(slot, &size);
	see(known, now);
	count_native(NATIVE_BRIDGED);
	count_out(o.slot, &size);
	return XDP_REDIRECT;
}

// ---- the underlay ----------------------------------------------------------------------

static __always_inline int native_underlay(struct xdp_md *x)
{
	void *data = (void *)(long)x->data, *end = (void *)(long)x->data_end;
	struct settings *cfg = get_config();
	__u32 peer, vni, length, outer, slot;
	struct tunnelled *t = data;
	struct encapsulation *e = &t->e;
	struct ethhdr *eth = &e->inner;
	struct mac_key dst = {};
	struct member *m = NULL;
	struct inside in = {};
	struct size size = {};
	struct adjacency *a;
	struct address from;
	struct decap *to;
	struct remote *r;
	struct outlet o;
	struct macs macs;

	if (!cfg || !cfg->vxlan_ifindex || !(cfg->flags & CONFIG_DIRECT_DECAP))
		return XDP_PASS;
	if ((void *)(t + 1) > end || t->eth.h_proto != bpf_htons(ETH_P_IP) || !is_plain(e, end - (void *)e, cfg) ||
	    header_checksum(e) || !is_native(x))
		return XDP_PASS;
	if (is_group(eth->h_dest) || is_nobody(eth->h_source))
		return XDP_PASS;
	if (!is_ip(eth->h_proto) || !look_at(t + 1, end, eth->h_proto, &in))
		return XDP_PASS;
	if (tells_congestion(e->ip.tos & ECN_MASK, in.tos & ECN_MASK))
		return XDP_PASS;
	from = address4(e->ip.saddr);
	peer = peer_at(&from);
	a = bpf_map_lookup_elem(&adjacencies, &peer);
	if (!peer || !a || !(a->flags & ADJACENCY_IN) || a->ifindex != x->ingress_ifindex || !same_mac(a->src, t->eth.h_dest))
		return XDP_PASS; // to somebody else, perhaps
	vni = bpf_ntohl(e->vni) >> 8;
	to = admitted(cfg, peer, vni);
	if (!to || to->features & FEATURES_LONG_WAY)
		return XDP_PASS;
	dst.bd = to->bd;
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	r = bpf_map_lookup_elem(&remotes, &dst);
	if (r && r->peer != ATTACHED_PEER)
		return XDP_PASS;
	slot = find_slot(&dst, r, &m);
	if (!m)
		return XDP_PASS;
	outer = e->ip.tos;
	length = end - (void *)eth;
	size.packets = 1;
	size.bytes = size.largest = length;
	size.features = to->features;
	size.leaves = both_priorities(cfg->flags, in.tos, outer);
	if (!is_finished(x, sizeof(*t), eth->h_proto) || !has_outlet(m, &size))
		return XDP_PASS;
	o = outlet_of(m, slot, &size);
	__builtin_memcpy(&macs, eth, sizeof(macs));
	if (!reframe(x, sizeof(*e), &macs, o.tag))
		return XDP_PASS;
	note_data(cfg, peer);
	count_from_peer(peer, &size);
	count_native(NATIVE_DECAPSULATED);
	count_out(o.slot, &size);
	return XDP_REDIRECT;
}

static __always_inline int counted(int action)
{
	if (action == XDP_PASS)
		count_native(NATIVE_PASSED);
	return action;
}
