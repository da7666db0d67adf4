// SPDX-License-Identifier: Apache-2.0
// The two ways out: a member (port and VLAN) and a tunnel. Each has a check, which says
// why not, and two forms of sending: the frame itself, or a copy of it.
#pragma once

#include "acl.h"
#include "gbp.h"
#include "priority.h"
#include "segment.h"

// ---- members ---------------------------------------------------------------------------

#define FITS (-1)

// Those of members at which not every frame may come in, or leave.
#define FEATURES_GUARDED (FEATURE_ACL | FEATURE_STANDBY)

// FITS, or the reason why the frame can't leave by m.
static __always_inline int fits_member(struct member *m, struct size *s)
{
	__u32 room = m->mtu + ETH_HLEN;

	if (s->tagged && m->flags & MEMBER_NO_TAGS)
		return DROP_DOUBLE_TAGGED;
	// As everywhere in Linux, the outermost tag is not part of what the MTU limits.
	if (s->tagged && !m->vid)
		room += 4;
	return !m->mtu || s->largest <= room ? FITS : DROP_TOO_BIG;
}

// The same, and what its ACL says.
static __always_inline int may_leave(struct __sk_buff *skb, struct member *m, __u32 slot, struct size *s)
{
	int why = fits_member(m, s);

	if (why == FITS && m->features & FEATURES_GUARDED)
		why = m->features & FEATURE_STANDBY ? DROP_NOT_DESIGNATED : acl_denies(skb, slot, 1, s) ?: FITS;
	return why;
}

// Puts the binding's tag on, if it has one.
static __always_inline long push_tag(struct __sk_buff *skb, __u32 vid, __u32 flags, struct size *s)
{
	__be16 proto = flags & MEMBER_SERVICE_TAG ? bpf_htons(ETH_P_8021AD) : bpf_htons(ETH_P_8021Q);

	return vid ? bpf_skb_vlan_push(skb, proto, vid | tag_priority(s)) : 0;
}

static __always_inline void add_in(struct traffic *c, struct size *s)
{
	if (c) {
		c->in_packets += s->packets;
		c->in_bytes += s->bytes;
	}
}

static __always_inline void add_out(struct traffic *c, struct size *s)
{
	if (c) {
		c->out_packets += s->packets;
		c->out_bytes += s->bytes;
	}
}

static __always_inline void count_in(__u32 slot, struct size *s) { add_in(bpf_map_lookup_elem(&counters, &slot), s); }
static __always_inline void count_out(__u32 slot, struct size *s) { add_out(bpf_map_lookup_elem(&counters, &slot), s); }

static __always_inline int redirect_member(struct __sk_buff *skb, struct member *m, __u32 slot,
					   struct size *s)
{
	int why = may_leave(skb, m, slot, s);
	__u32 ifindex = m->ifindex, vid = m->vid; // only now: the stack is small

	if (why != FITS)
		return drop(skb, why);
	if (push_tag(skb, vid, m->flags, s))
		return drop(skb, DROP_FAILED);
	count_out(slot, s);
	capture(skb, CAPTURE_OUT_PORT, slot, 0);
	return bpf_redirect(ifindex, 0);
}

static __always_inline int copy_member(struct __sk_buff *skb, struct member *m, __u32 slot,
				       struct size *s)
{
	int why = may_leave(skb, m, slot, s);
	__u32 ifindex = m->ifindex, vid = m->vid;
	long err;

	if (why != FITS)
		return drop(skb, why);
	if (push_tag(skb, vid, m->flags, s))
		return drop(skb, DROP_FAILED);
	capture(skb, CAPTURE_OUT_PORT, slot, 0);
	err = bpf_clone_redirect(skb, ifindex, 0);
	if (vid && bpf_skb_vlan_pop(skb))
		err = -1;
	if (err)
		return drop(skb, DROP_FAILED);
	count_out(slot, s);
	return 0;
}

// ---- tunnels ---------------------------------------------------------------------------

static __always_inline void count_to_peer(__u32 peer, struct size *s)
{
	add_out(bpf_map_lookup_elem(&tunnel_traffic, &peer), s);
}

static __always_inline void count_from_peer(__u32 peer, struct size *s)
{
	add_in(bpf_map_lookup_elem(&tunnel_traffic, &peer), s);
}

// Bytes that encapsulation adds to the inner frame, seen from the outer IP header: IPv4 or IPv6,
// UDP, VXLAN.
#define OUTER_HEADERS (20 + 8 + 8)
#define OUTER_HEADERS6 (40 + 8 + 8)

static __always_inline __u32 outer_headers(struct peer *p)
{
	return is_address4(&p->ip) ? OUTER_HEADERS : OUTER_HEADERS6;
}

static __always_inline int fits_tunnel(struct peer *p, struct size *s)
{
	return !p->mtu || s->largest + outer_headers(p) <= p->mtu;
}

// Whether the sender of a frame that does not fit is one to be told, and not to be helped: of
// unicast that must not be fragmented.
__noinline int is_to_be_told(struct __sk_buff *skb)
{
	__be16 frag_off;
	__u8 first;

	if (skb->vlan_present || bpf_skb_load_bytes(skb, 0, &first, 1) || first & 1)
		return 0;
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return skb->protocol == bpf_htons(ETH_P_IPV6);
	return !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &frag_off, sizeof(frag_off)) &&
	       frag_off & bpf_htons(0x4000);
}

// Whether a frame that does not fit is sent in fragments of the packet around it. IPv6 has none
// that a tunnel of the kernel would make.
static __always_inline int may_fragment(struct __sk_buff *skb, struct settings *cfg, struct peer *p)
{
	return cfg->flags & CONFIG_FRAGMENT && is_address4(&p->ip) && !is_to_be_told(skb);
}

// Notes that a frame goes to the peer, or would if it were smaller.
static __always_inline void use_path(__u32 peer)
{
	struct path *h = bpf_map_lookup_elem(&paths, &peer);
	struct sighting *s;

	if (!h || h->state == PATH_USED)
		return;
	if (h->state == PATH_IDLE) {
		s = bpf_ringbuf_reserve(&events, sizeof(*s), 0);
		if (!s)
			return; // no room: the next frame tries again
		__builtin_memset(s, 0, sizeof(*s));
		s->slot = peer;
		bpf_ringbuf_submit(s, 0);
	}
	h->state = PATH_USED;
}

// Checks, and tells the vxlan device where the frame is to go. 0 or the result of drop.
__noinline int prepare_tunnel(struct __sk_buff *skb, struct target *t, struct size *s)
{
	struct bpf_tunnel_key key = {};
	struct settings *cfg = get_config();
	__u64 flags = BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT;
	struct peer *p;
	__u32 peer;

	if (!cfg || !t || !s)
		return drop(skb, DROP_FAILED);
	if (!cfg->vxlan_ifindex)
		return drop(skb, DROP_NO_TUNNEL);
	if (s->tagged && !(s->features & FEATURE_INNER_TAGS))
		return drop(skb, DROP_TAGGED_OVERLAY);
	peer = t->peer;
	use_path(peer);
	p = bpf_map_lookup_elem(&peers, &peer);
	if (!p || is_no_address(&p->ip))
		return drop(skb, DROP_NO_TUNNEL); // it has just gone
	if (!fits_tunnel(p, s) && !may_fragment(skb, cfg, p))
		return drop(skb, DROP_TOO_BIG);
	key.tunnel_id = t->id;
	key.tunnel_ttl = 64;
	key.tunnel_tos = tunnel_priority(s);
	if (is_address4(&p->ip)) {
		if (!cfg->tunnel_ip)
			return drop(skb, DROP_NO_TUNNEL);
		key.remote_ipv4 = bpf_ntohl(p->ip.word[3]);
		key.local_ipv4 = cfg->tunnel_ip;
		if (!fits_tunnel(p, s)) // asked again, rather than kept on the stack, which is short
			flags = BPF_F_ZERO_CSUM_TX;
	} else {
		if (is_no_address(&cfg->tunnel_ip6))
			return drop(skb, DROP_NO_TUNNEL);
		__builtin_memcpy(key.remote_ipv6, &p->ip, sizeof(p->ip));
		__builtin_memcpy(key.local_ipv6, &cfg->tunnel_ip6, sizeof(p->ip));
		// Not without a checksum: who receives need not take that (RFC 6935, 5).
		flags = BPF_F_TUNINFO_IPV6 | BPF_F_DONT_FRAGMENT;
	}
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) || send_group(skb, cfg))
		return drop(skb, DROP_FAILED);
	count_to_peer(peer, s);
	capture(skb, CAPTURE_OUT_TUNNEL, t->peer, t->id);
	return 0;
}

static __always_inline int redirect_tunnel(struct __sk_buff *skb, struct target *t, struct size *s)
{
	struct settings *cfg = get_config();
	int err = prepare_tunnel(skb, t, s);

	if (err || !cfg)
		return err;
	return bpf_redirect(cfg->vxlan_ifindex, 0);
}

// 1, or 0 when no copy was sent. The frame has tunnel metadata from the first copy on.
static __always_inline int copy_tunnel(struct __sk_buff *skb, struct target *t, struct size *s)
{
	struct settings *cfg = get_config();

	if (prepare_tunnel(skb, t, s) || !cfg)
		return 0;
	if (bpf_clone_redirect(skb, cfg->vxlan_ifindex, 0))
		drop(skb, DROP_FAILED);
	return 1;
}
