// Package smpp speaks SMPP 3.4 to a message centre (SMSC): the PDUs and their
// codec, text and its parts, receipts, and a Client that keeps some binds and
// shares messages among them.
//
// What stays out: what a message is to the house, and what becomes of one that
// was refused (package gateway).
//
// Start with Client; PDU is what goes over the wire.
package smpp
