-- For wrk: sends the requests of a file (load.py) over and over, and prints what came of it as JSON.
local requests, next_one = {}, 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    for size in file:lines() do
        requests[#requests + 1] = file:read(tonumber(size))
    end
    file:close()
end

function request()
    next_one = next_one % #requests + 1
    return requests[next_one]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
