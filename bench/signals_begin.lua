-- For wrk: begins runs that wait, and writes the address of each one's signal into a file, a line each.
local file

function init(args)
  file = io.open(args[1], "a")
  wrk.headers["Prefer"] = "respond-async"
end

function response(status, headers, body)
  local output = body:match('"outputUrl":"https?://[^/]+([^"]+)"')
  if output then file:write((output:gsub("/output", "/signals/go", 1)), "\n") file:flush() end
end
