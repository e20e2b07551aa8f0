-- Copyright (c) 2026 The qingguo.qgnet authors
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What no directive of HAProxy does: take an exit out at the deadline of its lease, also if no refresh comes, and as soon as
-- it refuses the host. Server lines of the configuration end with "# until SECONDS", unless the lease has no deadline.
local deadlines = {}
local file = io.open((os.getenv("HAPROXY_CFGFILES") or ""):match("[^;]*"))
for name, deadline in (file and file:read("a") or ""):gmatch("\n *server (%S+) [^\n]*# until (%d+)") do
    deadlines[name] = tonumber(deadline)
end

core.register_action("refused", {"http-res"}, function(txn)
    core.backends[txn.f:be_name()].servers[txn.f:srv_name()]:check_force_down()
end)

core.register_task(function()
    while true do
        for _, backend in pairs(core.backends) do
            for name, server in pairs(backend.servers) do
                if (deadlines[name] or math.huge) - core.now().sec <= 1 then server:set_maint() end
            end
        end
        core.msleep(250)
    end
end)
