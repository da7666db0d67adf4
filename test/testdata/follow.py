"""A controller on the Python IDL: it makes a network, binds a port to it, and prints what the
VTEP learns.

usage: follow.py REMOTE SCHEMA-FILE SWITCH PORT PEER VNI

It prints "committed STATUS" and then "learned MAC" or "withdrawn MAC" for each change, until
its standard input ends.
"""
import select
import sys

import ovs.db.idl
import ovs.poller

remote, schema, switch, port, peer, vni = sys.argv[1:]
helper = ovs.db.idl.SchemaHelper(schema)
helper.register_all()
idl = ovs.db.idl.Idl(remote, helper)


def step():
    """Waits for the next change. Says whether the input has not ended."""
    poller = ovs.poller.Poller()
    idl.wait(poller)
    poller.fd_wait(0, select.POLLIN)
    poller.block()
    idl.run()
    return not select.select([0], [], [], 0)[0]


def find(table, name):
    for row in idl.tables[table].rows.values():
        if row.name == name:
            return row
    return None


idl.run()
while find("Physical_Switch", switch) is None or find("Physical_Port", port) is None:
    if not step():
        sys.exit("the input has ended")

txn = ovs.db.idl.Transaction(idl)
txn.add_comment("follow.py")
ls = txn.insert(idl.tables["Logical_Switch"])
ls.name = "python"
ls.tunnel_key = int(vni)
ls.replication_mode = "source_node"
locator = txn.insert(idl.tables["Physical_Locator"])
locator.encapsulation_type = "vxlan_over_ipv4"
locator.dst_ip = peer
locators = txn.insert(idl.tables["Physical_Locator_Set"])
locators.locators = [locator]
flood = txn.insert(idl.tables["Mcast_Macs_Remote"])
flood.MAC = "unknown-dst"
flood.logical_switch = ls
flood.locator_set = locators
find("Physical_Port", port).setkey("vlan_bindings", 0, ls)
print("committed", txn.commit_block(), flush=True)

known = set()
while step():
    now = {row.MAC for row in idl.tables["Ucast_Macs_Local"].rows.values()}
    for mac in sorted(now - known):
        print("learned", mac, flush=True)
    for mac in sorted(known - now):
        print("withdrawn", mac, flush=True)
    known = now
