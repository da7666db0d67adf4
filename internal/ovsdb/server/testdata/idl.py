"""Follows a hardware_vtep database and changes it with the library of Open vSwitch."""
import sys

import ovs.db.idl
import ovs.poller

remote, schema = sys.argv[1:]


def make():
    helper = ovs.db.idl.SchemaHelper(schema)
    helper.register_all()
    return ovs.db.idl.Idl(remote, helper)


def until(idl, condition):
    while not condition():
        seqno = idl.change_seqno
        idl.run()
        if idl.change_seqno == seqno and not condition():
            poller = ovs.poller.Poller()
            poller.timer_wait(100)
            idl.wait(poller)
            poller.block()


def commit(idl, change):
    while True:
        txn = ovs.db.idl.Transaction(idl)
        change(txn)
        status = txn.commit_block()
        if status != txn.TRY_AGAIN:
            return status, txn.get_error()


a, b = make(), make()
for idl in a, b:
    until(idl, lambda: idl.has_ever_connected())


def names(idl):
    return sorted(r.name for r in idl.tables["Logical_Switch"].rows.values())


def add(name, key):
    def change(txn):
        row = txn.insert(a.tables["Logical_Switch"])
        row.name = name
        row.tunnel_key = key
        txn.add_comment("add " + name)
    return change


for i in range(20):
    status, _ = commit(a, add("ls%d" % i, i))
    assert status == ovs.db.idl.Transaction.SUCCESS, status
until(b, lambda: len(names(b)) == 20)
status, error = commit(a, add("ls3", 3))
assert status == ovs.db.idl.Transaction.ERROR, status
assert "constraint violation" in error, error


def rekey(txn):
    for row in b.tables["Logical_Switch"].rows.values():
        row.verify("tunnel_key")
        row.tunnel_key = [row.tunnel_key[0] + 1000]


status, _ = commit(b, rekey)
assert status == ovs.db.idl.Transaction.SUCCESS, status
until(a, lambda: all(r.tunnel_key[0] >= 1000 for r in a.tables["Logical_Switch"].rows.values()))

# A lock goes from one to the other.
a.set_lock("l")
until(a, lambda: a.has_lock)
b.set_lock("l")
until(b, lambda: b.is_lock_contended)
a.set_lock(None)
a.run()
until(b, lambda: b.has_lock)

# What is not wanted any more goes out of view, and what is comes back.
a.cond_change("Logical_Switch", [["name", "==", "ls7"]])
until(a, lambda: names(a) == ["ls7"])
a.cond_change("Logical_Switch", [True])
until(a, lambda: len(names(a)) == 20)


def remove(txn):
    for row in list(a.tables["Logical_Switch"].rows.values()):
        row.delete()


status, _ = commit(a, remove)
assert status == ovs.db.idl.Transaction.SUCCESS, status
until(b, lambda: not names(b))

# After a loss of the connection all is there again.
b.force_reconnect()
commit(a, add("late", 1))
until(b, lambda: names(b) == ["late"])
print("ok")
