// Package ops builds the operations of a transaction (RFC 7047, section 5.2) as
// text.
//
//	var tx ops.Txn
//	port := tx.Insert("Port", ops.Values{"name": "p0", "interfaces": iface}.Append)
//	tx.Mutate("Bridge", bridge, ops.Mutation{Column: "ports", Mutator: "insert", Value: ops.Value(port)})
//	results, err := replica.Transact(ctx, tx.Ops())
//
// Rows that the transaction inserts are referred to by the UUID that Insert
// returns, just as rows that exist are by theirs.
package ops
