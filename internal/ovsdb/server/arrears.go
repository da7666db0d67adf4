package server

// arrears is what the database holds back for a session whose peer does not take what it is
// sent: it gets no more, and no request of it is executed, before it has. The loop of the
// database owns it.
type arrears struct {
	owed []due // in order
	held int   // bytes of the replies among owed
	// jobs are the requests not executed. One is executed once the first "before" of owed have
	// been sent: so neither they nor what is owed wait for ever.
	jobs   []job
	before int
	retry  bool // transactions that wait for a condition may have been missed by a change of it
}

// due is a message that is to be sent: the postponed updates of a monitor, or a reply.
type due struct {
	mon    *monitor
	reply  []byte
	queued bool // the reply is for a request in flight
	size   int  // of that
}

// behind says whether a session gets nothing more for now: because of what it has not taken, or
// because of what the batch under way is about to send it.
func (d *database) behind(s *session) bool {
	return d.arrears[s] != nil || s.conn.Backlog()+int(s.due.Load()) > d.srv.opts.Limits.Queue
}

// holdBack returns the arrears of a session, beginning them if there are none.
func (d *database) holdBack(s *session) *arrears {
	a := d.arrears[s]
	if a == nil {
		a = &arrears{}
		d.arrears[s] = a
		d.unwatched = append(d.unwatched, s)
		s.stuck.Add(1)
	}
	return a
}

// run executes a job taken from the queue, or holds it back.
func (d *database) run(j job, b *batch) {
	switch {
	case j.sess == nil:
		j.run(b)
	case j.sess.conn.Err() != nil:
		j.sess.answered(j.size) // there is nobody to answer
	case d.behind(j.sess):
		a := d.holdBack(j.sess)
		a.jobs = append(a.jobs, j)
	default:
		d.requests++
		j.run(b)
	}
}

// reply sends the reply to a request, after what is held back for its session.
func (d *database) reply(s *session, text []byte, queued bool, size int) {
	if a := d.arrears[s]; a != nil {
		a.owed = append(a.owed, due{reply: text, queued: queued, size: size})
		a.held += len(text)
		return
	}
	d.send(s.conn, text)
	if queued {
		s.answered(size)
	}
}

// watchStuck has the sessions that were held back anew go on when their peers have taken what
// is queued, which for some of them they have already.
func (d *database) watchStuck() {
	for n := len(d.unwatched); n > 0; n = len(d.unwatched) {
		s := d.unwatched[n-1]
		d.unwatched = d.unwatched[:n-1]
		if d.arrears[s] != nil && !s.conn.WatchDrain() {
			d.catchUp(s)
			d.flush()
		}
	}
}

// catchUp goes on with a session that was held back, as far as its peer takes it.
func (d *database) catchUp(s *session) {
	a := d.arrears[s]
	if a == nil {
		return
	}
	if s.conn.Err() != nil {
		d.writeOff(s)
		return
	}
	for s.conn.Backlog() <= d.srv.opts.Limits.Queue {
		switch {
		case a.before > 0 || len(a.jobs) == 0 && !a.retry && len(a.owed) > 0:
			d.payOne(s, a)
		case len(a.owed) == 0:
			d.settle(s)
			d.queue.putBack(a.jobs)
			if a.retry {
				d.retryTriggers(s)
			}
			return
		default:
			// What is owed came after the requests. One of them, and then the others' turn.
			d.executeHeld(s, a)
			d.queue.put(job{alone: true, run: func(*batch) { d.catchUp(s) }})
			return
		}
	}
	d.unwatched = append(d.unwatched, s)
}

// payOne sends the first of what is owed.
func (d *database) payOne(s *session, a *arrears) {
	o := a.owed[0]
	a.owed[0] = due{}
	a.owed = a.owed[1:]
	a.before = max(a.before-1, 0)
	if o.mon != nil {
		o.mon.flush(d.history.last)
		return
	}
	a.held -= len(o.reply)
	d.send(s.conn, o.reply)
	if o.queued {
		s.answered(o.size)
	}
}

// executeHeld executes a request that was held back, or the transactions that wait, whose
// replies then are the last that is owed.
func (d *database) executeHeld(s *session, a *arrears) {
	if s.conn.Backlog()+int(s.due.Load())+a.held <= d.srv.opts.Limits.Queue {
		if len(a.jobs) > 0 {
			j := a.jobs[0]
			a.jobs[0] = job{}
			a.jobs = a.jobs[1:]
			d.requests++
			b := &batch{base: d}
			j.run(b)
			d.runTriggers(b)
			b.commit()
		} else {
			a.retry = false
			d.retryTriggers(s)
		}
	}
	a.before = len(a.owed)
}

// settle ends the arrears of a session.
func (d *database) settle(s *session) {
	delete(d.arrears, s)
	s.stuck.Add(-1)
}

// writeOff drops what is held back for a session that has ended.
func (d *database) writeOff(s *session) {
	a := d.arrears[s]
	if a == nil {
		return
	}
	d.settle(s)
	for _, o := range a.owed {
		switch {
		case o.mon != nil:
			o.mon.forgive()
		case o.queued:
			s.answered(o.size)
		}
	}
	for _, j := range a.jobs {
		s.answered(j.size)
	}
}

// abandon answers the requests that are held back although the database has gone.
func (d *database) abandon() {
	for s, a := range d.arrears {
		d.settle(s)
		for _, o := range a.owed {
			if o.mon == nil {
				d.send(s.conn, o.reply)
				if o.queued {
					s.answered(o.size)
				}
			}
		}
		for _, j := range a.jobs {
			s.answered(j.size)
			j.gone()
		}
	}
	d.flush()
}
