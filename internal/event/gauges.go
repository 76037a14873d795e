package event

// What the server has Metrics read at each scrape, by Gauge and (…Total) by
// Total. The dashboard in docs/monitoring shows them by these names.
const (
	GaugeHashesRunning = "countersign_password_hashes_running" // passwords being hashed
	GaugeHashesWaiting = "countersign_password_hashes_waiting" // requests that wait for a slot to hash in
	GaugeHashSlots     = "countersign_password_hash_slots"     // how many may be hashed at the same time

	GaugeMessages      = "countersign_outbox_messages"               // due or being sent
	GaugeHeldMessages  = "countersign_outbox_held_messages"          // put off because no budget has room for them
	GaugeOldestMessage = "countersign_outbox_oldest_message_seconds" // how old the oldest message is that is not settled
	GaugeEventsBehind  = "countersign_outbox_events_behind"          // by sink: account events that it has not had yet

	StoreCommitsTotal    = "countersign_store_commits_total"    // transactions made durable
	StoreOperationsTotal = "countersign_store_operations_total" // operations in them; over commits: the size of a group

	GaugeLimiterKeys  = "countersign_limiter_keys"  // who is counted at the moment
	GaugeLimiterBytes = "countersign_limiter_bytes" // what that takes
	GaugeInstances    = "countersign_instances"     // how many there are, as this one last saw
	GaugeLimiterLost  = "countersign_limiter_lost"  // 1 while Redis is set and does not answer

	LimiterSharedTotal = "countersign_limiter_shared_total" // counts that went into a shared counter because the memory is full
)
