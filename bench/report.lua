-- Prints "requests/s p99_in_microseconds" as wrk's last line; a reply other than 200 spoils the run.
function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    if failed > 0 then
        io.stderr:write(string.format("%d failed requests\n", failed))
    end
    io.write(string.format("%.0f %.0f\n", summary.requests / (summary.duration / 1e6),
                           latency:percentile(99)))
end
