// Package wire is JSON as OVSDB peers speak it.
//
// It differs from encoding/json where the protocol does:
//   - integers are exact over the whole int64 range, and a number written as
//     1.0 or 1e3 that is an integer is an [Integer];
//   - of members with equal names the last one wins;
//   - a string may not hold NUL; that it is UTF-8 is not checked here, but when
//     it becomes the value of a column, as in the C server;
//   - nesting deeper than [MaxDepth] is refused.
//
// A text is parsed in one pass to a tape of fixed-size nodes, so a document of
// any size costs a handful of allocations. A [Value] is a view of one node;
// strings are views of the source bytes, which therefore must not change while
// a Value, or a string taken from it, is in use. Whoever keeps a string longer
// than the message clones it. A long text is parsed while the rest of it is on
// its way (ahead_test.go has that this makes no difference), and its nodes can
// serve the next one ([Value.Release]).
package wire
