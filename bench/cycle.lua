-- For wrk: sends the requests of a file (load.py) over and over, and prints what came of it as JSON.
-- BENCH_PORTS, ports with blanks between: each thread asks one of them, and begins at a place of its own.
local requests, next_one = {}, 0
local ports, threads = {}, 0

for port in (os.getenv("BENCH_PORTS") or ""):gmatch("%d+") do
    ports[#ports + 1] = port
end

function setup(thread)
    if #ports > 0 then
        thread.addr = assert(wrk.lookup("127.0.0.1", ports[threads % #ports + 1])[1])
        thread:set("share", threads / #ports)
    end
    threads = threads + 1
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    for size in file:lines() do
        requests[#requests + 1] = file:read(tonumber(size))
    end
    file:close()
    next_one = math.floor(#requests * (share or 0))
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
