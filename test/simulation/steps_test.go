package simulation

import (
	"strings"
	"time"
)

// step has something happen, and what is on its way in the network progress.
func (w *world) step() {
	w.steps++
	r := w.draw(partStep)
	for i := range 1 + r.IntN(3) {
		w.r = w.draw(partHappens + uint64(i))
		w.happen()
	}
	for i := range r.IntN(4) {
		w.net.progress(w.draw(partNetwork+uint64(i)), false)
		w.check()
	}
	w.carry(w.draw(partUnderlay), false)
	for _, m := range w.machines {
		if r.IntN(2) == 0 && m.disk.pass() {
			w.log("%s: a sync goes on", m.name)
		}
	}
	time.Sleep([]time.Duration{0, 0, time.Millisecond, 50 * time.Millisecond, time.Second, 6 * time.Second}[r.IntN(6)])
	w.check()
}

// The parts of a step that draw.
const (
	partStep     = 1
	partUnderlay = 2
	partDisk     = 3
	partFlow     = 4
	partNetwork  = 16
	partHappens  = 32
)

// happen has one thing happen.
func (w *world) happen() {
	r := w.r
	m := w.machines[r.IntN(len(w.machines))]
	h := w.hosts[r.IntN(len(w.hosts))]
	switch n := r.IntN(100); {
	case n < 30:
		for _, o := range w.ops {
			if o.m != m {
				continue
			}
			what := o.act(r)
			if what != "" {
				w.log("%s", what)
			}
			if strings.Contains(what, ": delete ") {
				w.removals++
			}
		}
	case n < 50:
		dst := broadcast
		if r.IntN(3) == 0 {
			dst = w.hosts[r.IntN(len(w.hosts))].mac
		}
		w.speak(h, dst)
	case n < 60:
		w.wander(h, m)
		w.log("%v is there now", h)
		if r.IntN(3) > 0 {
			w.speak(h, broadcast)
		}
	case n < 70: // all flows for a moment
		for range 6 {
			w.net.progress(w.draw(partFlow), true)
			w.check()
		}
	case n < 84:
		w.fault(m)
	default:
		w.repair(m)
	}
}

// fault has something break.
func (w *world) fault(m *machine) {
	r := w.r
	switch r.IntN(10) {
	case 0:
		if m.db != nil || m.vtep != nil {
			server, agent := r.IntN(2) == 0, r.IntN(2) == 0
			w.log("%s: crash (server %v, agent %v)", m.name, server || !m.external, agent || !m.external)
			m.crash(server, agent, false)
		}
	case 1:
		if m.db != nil || m.vtep != nil {
			w.log("%s: power cut", m.name)
			m.crash(true, true, true)
		}
	case 2, 3:
		if name := w.net.sever(r, []string{operatorNode, controllerNode, m.agentNode()}[r.IntN(3)], m.name); name != "" {
			w.log("%s: reset", name)
		}
	case 4, 5:
		nodes := []string{operatorNode, controllerNode, m.agentNode()}
		other := nodes[r.IntN(len(nodes))]
		w.log("%s: cut off from %s", m.name, other)
		w.net.partition(m.name, other, true)
	case 6, 7, 8:
		m.disk.set(diskMode(1 + r.IntN(diskModes)))
		w.log("%s: the disk is %v", m.name, m.disk.mode)
	case 9:
		if w.control != nil {
			silent := r.IntN(2) == 0
			w.log("the controller dies (silently %v)", silent)
			w.stopController(silent)
		}
	}
}

// repair has something that broke work again.
func (w *world) repair(m *machine) {
	switch w.r.IntN(4) {
	case 0:
		m.restart()
	case 1:
		for _, node := range []string{operatorNode, controllerNode, m.agentNode()} {
			if w.net.isCut(m.name, node) {
				w.log("%s: joined with %s", m.name, node)
				w.net.partition(m.name, node, false)
			}
		}
	case 2:
		if m.disk.mode != diskWell {
			w.log("%s: the disk is well", m.name)
			m.disk.set(diskWell)
		}
	case 3:
		if w.control == nil {
			w.log("the controller starts")
			w.startController()
		}
	}
}

// restart starts what is down, and what has ended by itself, as a supervisor does.
func (m *machine) restart() {
	for _, p := range m.off {
		if p != nil {
			m.w.net.reboot(p)
		}
	}
	m.off = nil
	failed := func(p *process) bool { return p != nil && p.failed.Load() != nil }
	if server, agent := failed(m.db), failed(m.vtep); server || agent {
		m.crash(server, agent, false)
	}
	if m.db == nil || m.vtep == nil {
		m.w.log("%s: start", m.name)
		m.start()
	}
}
