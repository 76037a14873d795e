// A message centre on npm's smpp, which shares nothing with ours. It listens on a
// free port of the loopback and tells on its output, a line of JSON each, what
// came in and how its own requests were answered. It ends with its input.
'use strict';
const smpp = require('smpp');

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const text = (m) => (Buffer.isBuffer(m) ? m.toString('hex') : m && m.message !== undefined ? m.message : m);

let messages = 0;

function submit(session, pdu) {
  const id = 'N' + ++messages;
  const message = pdu.message_payload || pdu.short_message;
  const seconds = pdu.validity_period ? Math.round((pdu.validity_period - Date.now()) / 1000) : 0;
  tell({
    submit: id,
    to: pdu.destination_addr, to_type: [pdu.dest_addr_ton, pdu.dest_addr_npi],
    from: pdu.source_addr, from_type: [pdu.source_addr_ton, pdu.source_addr_npi],
    text: text(message), coding: pdu.data_coding, esm_class: pdu.esm_class, seconds,
    udh: message.udh ? Buffer.concat(message.udh).toString('hex') : '',
    sar: pdu.sar_total_segments ? [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum] : null,
    payload: Boolean(pdu.message_payload), receipt: pdu.registered_delivery,
  });
  const answer = () => session.send(pdu.response({ message_id: id }));
  const receipt = (callback) => session.deliver_sm({
    source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4, data_coding: 0,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2611241804 done date:2611241805 stat:DELIVRD err:000 text:`,
    receipted_message_id: id, message_state: 2,
  }, callback);
  const receipted = (told) => tell({ receipted: id, command: told.command, status: told.command_status });
  if (messages % 2 === 0) { // the receipt comes first
    receipt(receipted);
    setTimeout(answer, 20);
    return;
  }
  answer();
  receipt(receipted);
}

const server = smpp.createServer((session) => {
  session.on('error', (e) => tell({ error: String(e) }));
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'house' && pdu.password === 'secret08';
    tell({ bind: pdu.system_id, version: pdu.interface_version, system_type: pdu.system_type, known });
    if (!known) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return;
    }
    session.send(pdu.response());
    session.enquire_link((told) => tell({ enquired: told.command, status: told.command_status }));
  });
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    tell({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
});
server.listen(0, '127.0.0.1', () => tell({ listening: server.address().port }));
process.stdin.resume().on('end', () => process.exit(0));
