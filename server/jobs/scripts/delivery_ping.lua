-- A webhook that tells of nothing, to try an endpoint.
-- Keys: deliveries, deliveries:*, due:*, delivery:*; channel deliver.
-- ARGV: id; name of the endpoint; who asked.
bear({ id = ARGV[1], type = 'webhook.ping', subject = '', client = ARGV[3],
  snapshot = '{}' }, '@' .. ARGV[2])
return 1
