package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What EditUser and DeleteUser mean, and what a number tells.
func users(f flow) {
	f.shows("edits what is given", editDone)
	f.shows("edits nothing for an ended session", editForEnded)
	f.shows("C101 deletes all but the events", deleteErases)
	f.shows("C101 a deleted number gets a new id", deleteFreesNumber)
	f.shows("deletes nothing for an ended session", deleteForEnded)
	f.shows("tells who has a number", numberTells)
}

func (w *world) editUser(a account, name, email, locale *string) core.EditUser {
	return core.EditUser{SessionID: a.session.ID, Name: name, Email: email, Locale: locale, Now: w.now, Event: w.newEvent(event.ProfileChanged)}
}

func editDone(w *world) {
	owner := w.account()
	name, email, locale, none := "Grace", "grace@example.org", "de", ""
	want := owner.User
	for _, edit := range []struct {
		name, email, locale *string
		changes             func()
	}{
		{&name, nil, nil, func() { want.Name = name }},
		{nil, &email, nil, func() { want.Email = email }},
		{nil, nil, &locale, func() { want.Locale = locale }},
		{&none, &none, &none, func() { want.Name, want.Email, want.Locale = "", "", "" }},
	} {
		w.advance(time.Second)
		got := do(w, w.store.EditUser, w.editUser(owner, edit.name, edit.email, edit.locale))
		w.outcome(got.Outcome, core.Done)
		edit.changes()
		want.UpdatedAt = w.now
		equal(w, "the user", got.User, want)
		equal(w, "the stored user", w.user(owner.ID), want)
		w.completed(w.wrote(event.ProfileChanged)[event.ProfileChanged], owner.User, owner.session.ID)
	}
	equal(w, "the acting session", w.session(owner.session.ID), owner.session)
}

func editForEnded(w *world) {
	owner := w.account()
	name := "Grace"
	gone := owner
	gone.session = w.ended(owner)
	unchanged := w.watch(watched{user: owner.ID})
	w.outcome(do(w, w.store.EditUser, w.editUser(gone, &name, nil, nil)).Outcome, core.SessionEnded)
	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	w.outcome(do(w, w.store.EditUser, w.editUser(owner, &name, nil, nil)).Outcome, core.SessionEnded)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.EditUser, w.editUser(owner, &name, nil, nil)).Outcome, core.Done)
}

func deleteErases(w *world) {
	owner, bystander := w.account(), w.account()
	second := w.login(owner)
	login := w.beginFor(owner, core.PurposeLogin)
	change := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	name := "Grace"
	w.outcome(do(w, w.store.EditUser, w.editUser(owner, &name, nil, nil)).Outcome, core.Done)
	w.events()
	in := core.DeleteUser{SessionID: owner.session.ID, Now: w.now, Event: w.newEvent(event.AccountDeleted)}
	w.outcome(do(w, w.store.DeleteUser, in), core.Done)

	_, err := w.store.User(w.ctx, owner.ID)
	w.missing("the user", err)
	for _, s := range []core.Session{owner.session, second} {
		_, _, err = w.store.Session(w.ctx, s.ID)
		w.missing("its session", err)
		w.outcome(do(w, w.store.RotateSession, w.rotate(s)).Outcome, core.NotFound)
	}
	for _, c := range []core.Challenge{login, change} {
		_, err = w.store.Challenge(w.ctx, c.ID)
		w.missing("its "+string(c.Purpose), err)
		w.outcome(judgedBy()["login"].judge(w, c, w.guess(c, right)).Outcome, core.NotFound)
		w.counted(c.Phone.Key)
	}
	_, err = w.store.Challenge(w.ctx, owner.signup) // it holds number and profile
	w.missing("the signup that made it", err)
	equal(w, "who has the number", w.numberSeenBy(owner.Phone.Key, owner.session.DeviceID),
		core.NumberState{})
	w.completed(w.wrote(event.AccountDeleted)[event.AccountDeleted], owner.User, owner.session.ID)
	history, err := w.store.UserEvents(w.ctx, owner.ID, core.Page{Limit: 10})
	w.holds("the events are read", err == nil)
	equal(w, "events that stay", len(history), 2)

	w.outcome(do(w, w.store.EditUser, w.editUser(owner, &name, nil, nil)).Outcome, core.SessionEnded)
	w.outcome(do(w, w.store.DeleteUser, in), core.SessionEnded)
	equal(w, "a bystander", w.user(bystander.ID), bystander.User)
	equal(w, "a bystander's sessions", w.living(bystander.ID), sessionIDs(bystander.session))
}

// counted fails the test where more is left of a number's messages than what
// SendLimits count.
func (w *world) counted(phoneKey string) {
	w.t.Helper()
	for _, m := range w.messagesOf(phoneKey) {
		w.holds("it will not be sent", m.State != core.MessageQueued)
		equal(w, "what is left of a message", m, core.Message{
			ID: m.ID, Purpose: m.Purpose, Channel: m.Channel, PhoneKey: phoneKey, State: m.State, Tries: m.Tries,
			Bucket: m.Bucket, Country: m.Country, Price: m.Price, Held: m.Held, CreatedAt: m.CreatedAt, ExpiresAt: m.ExpiresAt,
		})
	}
}

func deleteFreesNumber(w *world) {
	owner := w.account()
	in := core.DeleteUser{SessionID: owner.session.ID, Now: w.now}
	w.outcome(do(w, w.store.DeleteUser, in), core.Done)
	next := w.accountAt(owner.Phone)
	w.holds("it is another account", next.ID != owner.ID)
	equal(w, "its history", len(do(w, w.store.PasswordHistory, next.ID)), 1)
	equal(w, "its sessions", w.living(next.ID), sessionIDs(next.session))
}

func deleteForEnded(w *world) {
	owner := w.account()
	gone := w.ended(owner)
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, sessions: []string{owner.session.ID}})
	in := core.DeleteUser{SessionID: gone.ID, Now: w.now, Event: w.newEvent(event.AccountDeleted)}
	w.outcome(do(w, w.store.DeleteUser, in), core.SessionEnded)
	unchanged()
}

func numberTells(w *world) {
	phone := w.newNumber()
	equal(w, "a number that nobody has", w.number(phone.Key), core.NumberState{})
	owner, other := w.accountAt(phone), w.account()
	want := core.NumberState{User: owner.User}
	equal(w, "a number seen by a stranger", w.number(phone.Key), want)
	equal(w, "seen by somebody else's device", w.numberSeenBy(phone.Key, other.session.DeviceID), want)
	want.KnownDevice = true
	equal(w, "seen by a device that only knows the password", w.numberSeenBy(phone.Key, w.login(owner).DeviceID), want)
	want.DeviceProved = true
	equal(w, "seen by a device of the user", w.numberSeenBy(phone.Key, owner.session.DeviceID), want)
	_, err := w.store.User(w.ctx, w.id())
	w.missing("an unknown user", err)
}
