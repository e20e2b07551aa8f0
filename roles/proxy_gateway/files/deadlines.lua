-- Copyright (c) 2026 The qingguo.qgnet authors
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Takes each lease out of service at its deadline, and before that while others can serve, also if no refresh comes.
-- QG_GATEWAY has the seconds to drain, and the configuration, whose server lines end with "# until SECONDS".
local drain, path = os.getenv("QG_GATEWAY"):match("^(%d+) (.+)$")
local deadlines, states = {}, {}
for name, deadline in (io.open(path) or io.open("/dev/null")):read("a"):gmatch("\n%s*server (%S+) [^\n]*# until (%d+)") do
    deadlines[name] = tonumber(deadline)
end

-- The seconds that a lease has left; without a known deadline, it does not end.
local function left(name)
    return (deadlines[name] or math.huge) - core.now().sec
end

local function apply(servers)
    local fresh = false
    for name, server in pairs(servers) do
        fresh = fresh or left(name) > tonumber(drain) and server:get_stats().status:sub(1, 4) ~= "DOWN"
    end
    for name, server in pairs(servers) do
        local state = left(name) <= 1 and "maint" or fresh and left(name) <= tonumber(drain) and "drain" or "ready"
        if state ~= (states[name] or "ready") then server["set_" .. state](server) end
        states[name] = state
    end
end

core.register_task(function()
    while true do
        for _, backend in pairs(core.backends) do apply(backend.servers) end
        core.msleep(250)
    end
end)
