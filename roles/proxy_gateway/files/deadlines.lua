-- Copyright (c) 2026 The qingguo.qgnet authors
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Takes each lease out of service at its deadline, and before that while others can serve, also if no refresh comes.
-- Arguments: the configuration, whose server lines end with "# until SECONDS", and the seconds to drain.
local path, drain = ...
drain = tonumber(drain)
local deadlines = {}
local file = io.open(path)
if file then
    for line in file:lines() do
        local name, deadline = line:match("^%s*server (%S+) .*# until (%d+)$")
        if name then deadlines[name] = tonumber(deadline) end
    end
    file:close()
end

local function serves(server)
    return server:get_stats().status:sub(1, 4) ~= "DOWN"
end

local function apply(servers, now, states)
    local fresh = false
    for name, server in pairs(servers) do
        local deadline = deadlines[name]
        fresh = fresh or ((deadline == nil or now < deadline - drain) and serves(server))
    end
    for name, server in pairs(servers) do
        local deadline, state = deadlines[name], "ready"
        if deadline and now >= deadline - 1 then
            state = "maint"
        elseif deadline and fresh and now >= deadline - drain then
            state = "drain"
        end
        if deadline and state ~= (states[name] or "ready") then
            server["set_" .. state](server)
            states[name] = state
        end
    end
end

core.register_task(function()
    local states = {}
    while true do
        for _, backend in pairs(core.backends) do
            apply(backend.servers, core.now().sec, states)
        end
        core.msleep(250)
    end
end)
