-- Made by the role qingguo.qgnet.proxy_gateway.
-- Copyright (c) 2026 The qingguo.qgnet authors
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What no directive of HAProxy does: take the leases from a file that changes while the configuration stays as it is, and list
-- them. A line of the file is
--     BACKEND SERVER HOST:PORT UNTIL STATE
-- UNTIL is the deadline in seconds since 1970, or "-". STATE is "ready", "drain" for an exit that keeps its labels and gets no
-- others, "next" for the successor at a slot, or "out" for one that was reported. If reports of the exit were forgotten, the time
-- of that follows. A server without a line, or with one that is over or cannot be read, refuses: without a file, all do.
-- The backend BACKEND.any has the same servers, with a weaker check, and BACKEND.reports the table of leases that were reported
-- since the file was written.
local path = os.getenv("QG_LEASES")
-- The text of the file, its leases by backend and server, what was set of each server, and whether all was set once.
local text, leases, set, is_started, is_readable = nil, {}, {}, false, true

local is_state = {ready = true, drain = true, next = true, out = true}

-- A number for the key of a lease, which the process after this one gives it, too (FNV-1a).
local function number_of(key)
    local number = 2166136261
    for position = 1, #key do
        number = ((number ~ key:byte(position)) * 16777619) & 0xffffffff
    end
    return number
end

local function read()
    local file = io.open(path)
    is_readable = file ~= nil
    local now = file and file:read("a") or ""
    if file then
        file:close()
    end
    if now == text then
        return
    end
    text, leases = now, {}
    local pattern = "(%S+) (%S+) ([%d.]+):(%d+) (%S+) (%a+)([^\n]*)\n"
    for backend, server, host, port, deadline, state, rest in now:gmatch(pattern) do
        -- Not the address alone, which a later lease may have, too, and another one once reports are forgotten.
        local key = host .. ":" .. port .. " " .. deadline .. (rest:match("^ %d+") or "")
        leases[backend] = leases[backend] or {}
        leases[backend][server] = is_state[state] and {
            host = host, port = port, address = host .. ":" .. port, state = state,
            deadline = tonumber(deadline) or math.huge, pool = backend, key = key, number = number_of(key),
        }
    end
end

local function is_reported(lease)
    local reports = core.proxies[lease.pool .. ".reports"]
    return lease.state == "out" or reports ~= nil and reports.stktable:lookup(lease.key) ~= nil
end

-- A connection that is being made when its server goes into maintenance can hang, so that a lease gets nothing new in its last
-- two seconds. The clock is that of the host: core.now() is behind for good by the time for which the process stood still.
local function wanted_state(lease)
    local left = lease and lease.deadline - os.time() or 0
    if left <= 1 or is_reported(lease) then
        return "maint"
    end
    return left <= 3 and "drain" or lease.state
end

local function connections(server)
    return tonumber(server:get_stats().stot) or 0
end

-- The successor of the lease of a slot is checked meanwhile, serves once that one ends or is down, and then goes on.
local function take_turns(first, successor)
    local last = set[successor.key]
    local serves = not first or last and last.state == "ready" or first.server:get_stats().status:match("^DOWN")
    successor.state = serves and "ready" or "drain"
    if first and serves then
        first.state = "drain"
    end
end

-- Set what the file says. HAProxy takes over an address only after the event in which it was set, so that the state comes in the
-- next one; first what serves, then what no longer does. Returns whether it must be called again.
local function apply()
    read()
    local targets, is_incomplete = {}, false
    for name, backend in pairs(core.backends) do
        local own = leases[name] or leases[name:match("^(.*)%.any$")] or {}
        local by_state = {}
        for id, server in pairs(backend.servers) do
            local lease, key = own[id], name .. "/" .. id
            local state = wanted_state(lease)
            if lease and (set[key] or {}).address ~= lease.address then
                server:set_maint()
                server:set_addr(lease.host, lease.port)
                set[key] = {address = lease.address, state = "maint"}
                is_incomplete = true
            elseif state ~= "maint" and server:get_addr() ~= lease.address then
                -- HAProxy has not taken the address, and the one before must not be used.
                state = "maint"
            end
            local target = {server = server, key = key, state = state}
            by_state[state] = target
            targets[#targets + 1] = target
        end
        if by_state.next then
            take_turns(by_state.ready, by_state.next)
        end
    end
    if is_incomplete then
        return true
    end
    for _, is_serving in ipairs({true, false}) do
        for _, target in ipairs(targets) do
            local last = set[target.key] or {}
            if last.state ~= target.state and (target.state == "ready") == is_serving then
                target.server["set_" .. target.state](target.server)
                set[target.key] = {
                    address = last.address, state = target.state, connections = connections(target.server),
                }
            end
        end
    end
    return false
end

core.register_task(function()
    -- The process of before hands over its table of reports.
    core.msleep(100)
    while true do
        if apply() then
            core.msleep(1)
        else
            is_started = true
            core.msleep(250)
        end
    end
end)

-- Requests of the first milliseconds wait until the servers have their addresses.
core.register_action("wait", {"http-req", "tcp-req"}, function(txn)
    while not is_started do
        core.msleep(2)
    end
    txn:set_var("proc.started", 1)
end)

-- The responses of status 2xx that have come through a server of a pool.
local function total_of(pool, server)
    local total = 0
    for _, name in ipairs({pool, pool .. ".any"}) do
        total = total + (tonumber(core.backends[name].servers[server]:get_stats().hrsp_2xx) or 0)
    end
    return total
end

-- The leases that have refused a CONNECT: since when, when last, and what had come through by then.
local refusals = {}

-- An exit that refuses this host gets nothing more until a check succeeds, and a check that only connects always does.
core.register_action("refused", {"http-res"}, function(txn)
    local name, id = txn.f:be_name(), txn.f:srv_name()
    local pool = name:gsub("%.any$", "")
    core.backends[name].servers[id]:check_force_down()
    local lease = (leases[pool] or {})[id]
    if lease then
        local last, total = refusals[lease.key], total_of(pool, id)
        local since = last and last.total == total and last.since or os.time()
        refusals[lease.key] = {since = since, at = os.time(), total = total}
    end
end)

-- Since when a lease refuses each CONNECT, of which the last was a minute ago at most.
local function refuses_since(lease, id)
    local last = refusals[lease.key]
    if last and os.time() - last.at <= 60 and total_of(lease.pool, id) == last.total then
        return last.since
    end
    refusals[lease.key] = nil
end

-- Set txn.number to that of the lease through which a response has come.
core.register_action("find_number", {"http-res"}, function(txn)
    local pool = txn.f:be_name():gsub("%.any$", "")
    local lease = (leases[pool] or {})[txn.f:srv_name()]
    if lease then
        txn:set_var("txn.number", lease.number)
    end
end)

-- Whether a lease serves at a slot, and a connection has come through it since it does.
local function is_used(slot, server)
    for _, name in ipairs({slot, slot .. ".any"}) do
        local last = set[name .. "/" .. server] or {}
        if last.state == "ready" and connections(core.backends[name].servers[server]) > last.connections then
            return true
        end
    end
    return false
end

-- Set txn.lease to the key of the lease that a client reports: that of its label, which has the number txn.number, or that of its
-- slot. An exit that fails the check cannot be reported: the refresh knows more of it.
core.register_action("find_lease", {"http-req"}, function(txn)
    local pool = txn.f:fe_name():gsub("%.port$", "")
    local is_slot, number = pool:find(".", 1, true), txn:get_var("txn.number")
    for id, lease in pairs(leases[pool] or {}) do
        local is_meant = lease.number == number
        if is_slot then
            is_meant = is_used(pool, id)
        end
        if is_meant and not core.backends[pool].servers[id]:get_stats().status:match("^DOWN") then
            txn:set_var("txn.lease", lease.key)
        end
    end
end)

core.register_action("apply", {"http-req"}, function()
    apply()
end)

-- The responses that had come through each server whose checks failed, when it was last shown, and when there were last more.
local passed = {}

-- What each port had counted when it was last asked for, and when that had last changed. To a new process, each is in use. The
-- clock is that of the process, which no step of the host's clock moves.
local uses = {}

-- For how many seconds a port has had no request, and no connection through it was open. What was denied is no request.
local function unused(name)
    local stats = core.frontends[name .. ".port"]:get_stats()
    local all = stats.mode == "http" and stats.req_tot or stats.stot
    local count = (tonumber(all) or 0) - (tonumber(stats.dreq) or 0)
    local open = 0
    for _, backend in ipairs({name, name .. ".any"}) do
        open = open + (tonumber(core.backends[backend]:get_stats().scur) or 0)
    end
    local now = core.now().sec
    if open > 0 or not uses[name] or uses[name].count ~= count then
        uses[name] = {count = count, at = now}
    end
    return now - uses[name].at
end

-- What the refresh asks for: set what the file says now, and show what each exit does, and what passes while all checks fail.
core.register_cli({"show", "exits"}, "show exits : set the leases of the file, and show each exit", function(applet)
    if apply() then
        core.msleep(2)
        apply()
    end
    if not is_readable then
        applet:send("unreadable\n")
        return
    end
    applet:send("time " .. os.time() .. "\n")
    for name in pairs(core.frontends) do
        local port = name:match("^(.*)%.port$")
        if port then
            applet:send("unused " .. port .. " " .. unused(port) .. "\n")
        end
    end
    for name, own in pairs(leases) do
        for id, lease in pairs(own) do
            local server = core.backends[name] and core.backends[name].servers[id]
            if server then
                local checked = server:get_stats()
                local any = core.backends[name .. ".any"].servers[id]:get_stats()
                local key, total = name .. "/" .. id, tonumber(any.hrsp_2xx) or 0
                local last = passed[key] or {total = 0}
                if total > last.total then
                    last = {total = total, at = os.time() - (tonumber(any.lastsess) or 0)}
                end
                passed[key] = last
                local status = is_reported(lease) and "REPORTED" or checked.status:match("%S+")
                local words = {
                    name, id, lease.address, status, checked.check_status or "", checked.check_code or "",
                    checked.lastchg or "", total, last.at and os.time() - last.at or "",
                }
                -- A check that sends a CONNECT knows better by now.
                local is_blind = not (checked.check_status or ""):match("L7")
                local refuses = is_blind and refuses_since(lease, id)
                if refuses and not is_reported(lease) then
                    words = {name, id, lease.address, "DOWN", "L7STS", 407, os.time() - refuses, 0, "-"}
                end
                for number, word in ipairs(words) do
                    words[number] = word == "" and "-" or tostring(word):gsub("%s", "")
                end
                applet:send(table.concat(words, " ") .. "\n")
            end
        end
    end
end)

-- The leases that get new requests, from another one on each time: those that pass the check, or all of them if none does.
local turn = 0
local function serving(pool)
    local all, passing = {}, {}
    for id, lease in pairs(leases[pool] or {}) do
        local last = set[pool .. "/" .. id] or {}
        if last.state == "ready" then
            all[#all + 1] = lease
            if core.backends[pool].servers[id]:get_stats().status:match("^UP") then
                passing[#passing + 1] = lease
            end
        end
    end
    local listed, turned = #passing > 0 and passing or all, {}
    table.sort(listed, function(first, second) return first.address < second.address end)
    turn = turn + 1
    for number in ipairs(listed) do
        turned[number] = listed[(turn + number) % #listed + 1]
    end
    return turned
end

local function separator(text)
    local decoded = text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
    return (decoded:gsub("\\r", "\r"):gsub("\\n", "\n"))
end

-- What QG.net's links for extracting leases answer, with the leases that there are. As there, a separator stands only between
-- two addresses, since programs use the text as it is. "num" is 1 by default where QG.net extracts.
local numbers = {["/get"] = 1, ["/pool"] = 1}
core.register_service("leases", "http", function(applet)
    local options = {}
    for name, value in applet.qs:gmatch("([^&=]+)=([^&]+)") do
        options[name] = value
    end
    local number = tonumber(options.num) or numbers[applet.path] or math.huge
    local format = options.format or (applet.path == "/leases" and "txt" or "json")
    local pool = applet.f:fe_name():gsub("%.port$", "")
    local addresses, rows = {}, {}
    for position, lease in ipairs(serving(pool)) do
        if position <= number then
            local deadline = lease.deadline == math.huge and "" or os.date("!%F %T", lease.deadline + 8 * 3600)
            addresses[position] = lease.address
            rows[position] = string.format(
                '{"proxy_ip":"%s","server":"%s","area":"","isp":"","deadline":"%s"}', lease.host, lease.address, deadline
            )
        end
    end
    local body, kind = table.concat(addresses, separator(options.seq or "\n")), "text/plain"
    if format == "json" then
        local data, request = table.concat(rows, ","), applet.f:uuid()
        body = '{"code":"SUCCESS","data":[' .. data .. '],"request_id":"' .. request .. '"}'
        kind = "application/json"
    end
    applet:set_status(200)
    applet:add_header("content-type", kind)
    applet:add_header("content-length", tostring(#body))
    applet:add_header("cache-control", "no-store")
    applet:start_response()
    applet:send(body)
end)
