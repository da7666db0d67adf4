// SPDX-License-Identifier: Apache-2.0
// The group policy of a frame (draft-smith-vxlan-group-policy), which its mark has on this machine:
// rules of tc and nftables see it there, and set it. In tunnels it is in bits of the VXLAN header that
// are reserved otherwise. What has one takes the long way: the vxlan device knows these bits.
#pragma once

#include "frame.h"

#define GBP_G 0x80000000    // the header has a group policy
#define GBP_BITS 0x80ffffff // all that it consists of
#define GBP_ID 0xffff
#define GBP_SHIFT(flags) ((flags) >> CONFIG_GBP_SHIFT & 31)

// As the vxlan device has it.
struct vxlan_metadata {
	__u32 gbp;
};

// Gives the frame that goes into a tunnel the group policy of its mark. Not 0: that failed.
static __always_inline int send_group(struct __sk_buff *skb, struct settings *cfg)
{
	struct vxlan_metadata md = {.gbp = skb->mark >> GBP_SHIFT(cfg->flags) & GBP_ID};

	if (!(cfg->flags & CONFIG_GBP) || !md.gbp)
		return 0;
	return bpf_skb_set_tunnel_opt(skb, &md, sizeof(md));
}

// Gives the mark of a frame that came in at a binding the group policy of that, unless it has one.
static __always_inline void enter_group(struct __sk_buff *skb, __u32 member_flags)
{
	__u32 group = member_flags >> MEMBER_GROUP_SHIFT;
	struct settings *cfg;

	if (!group)
		return;
	cfg = get_config();
	if (cfg && cfg->flags & CONFIG_GBP && !(skb->mark >> GBP_SHIFT(cfg->flags) & GBP_ID))
		skb->mark |= group << GBP_SHIFT(cfg->flags);
}

// Gives the mark of a frame that came by a tunnel its group policy, or none.
static __always_inline void receive_group(struct __sk_buff *skb, struct settings *cfg)
{
	__u32 shift = GBP_SHIFT(cfg->flags);
	struct vxlan_metadata md = {};

	if (!(cfg->flags & CONFIG_GBP))
		return;
	if (bpf_skb_get_tunnel_opt(skb, &md, sizeof(md)) < 0)
		md.gbp = 0;
	skb->mark = (skb->mark & ~(GBP_ID << shift)) | (md.gbp & GBP_ID) << shift;
}
