// SPDX-License-Identifier: Apache-2.0
// The tables that the programs and the agent share. Everything here is pinned and outlives
// both: a change of any layout or meaning needs a new SchemaVersion (kernel/pins.go).
//
// Who writes what:
//   agent     config, origin, bindings, members, remotes, decaps, floods, chunks, peers, addresses, ends, switches, devices, bfd_sessions,
//             segments, policies, acls, acl_blocks, neighbors, routers, gateways, routes4, routes6, interfaces
//   programs  locals (learning), counters, drops, port_drops, tunnel_drops, events, bfd_heard, bfd_events, punts, punted, snooped,
//             answered, acl_counts, tunnel_traffic
//   both      watched (the agent adds, the programs delete), quotas (atomic adds through a memory map on the agent's side)
//   neither outlives the programs  passage (between the stages of a frame), acl_work, stages (which stages there are),
//             hops and sources (by the programs), generation (by the agent)
//
// Sizes are those to begin with: the agent replaces maps by larger ones as they fill (grow.go, layout/limit.go).
//
// Numbers that stand for things:
//   bd    broadcast domain: a logical switch. From 1, never used twice.
//   slot  a binding, i.e. a (port, VLAN) pair. From 1; index of members and counters.
//   port  a port, as index of quotas. From 1; index 0 holds the totals.
//   peer  another VTEP, as index of peers: what names one has its number, and its addresses are
//         in peers and addresses only. From 1.
#pragma once

#include "maps/config.h"
#include "maps/device.h"
#include "maps/binding.h"
#include "maps/mac.h"
#include "maps/neighbor.h"
#include "maps/tunnel.h"
#include "maps/flood.h"
#include "maps/segment.h"
#include "maps/bfd.h"
#include "maps/stage.h"
#include "maps/acl.h"
#include "maps/punt.h"
#include "maps/router.h"
#include "maps/drop.h"
