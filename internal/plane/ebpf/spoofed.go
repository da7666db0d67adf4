package ebpf

// forgetRouters forgets the addresses of routers where a host had them before.
func (p *Plane) forgetRouters() error {
	keys := p.contents.Routing.Spoofed
	p.contents.Routing.Spoofed = nil
	if len(keys) == 0 {
		return nil
	}
	return p.forget(keys)
}
