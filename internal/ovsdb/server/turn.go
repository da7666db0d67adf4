package server

// turn is a mutex that may be held while its holder waits for the disk. It is made of a channel because a test with
// virtual time (testing/synctest) takes one who waits for a sync.Mutex for busy: time, and with it a slow disk, would
// stand still.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock waits until nobody holds it.
func (t turn) Lock() { t <- struct{}{} }

// Unlock lets the next one have it.
func (t turn) Unlock() { <-t }

// TryLock takes it if nobody holds it.
func (t turn) TryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}
