package lab

// Replies is what came up to now.
func (p *Pinger) Replies() Replies {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.replies
}
