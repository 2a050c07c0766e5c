-- A foreign JSON-RPC client: Neovim's own event loop speaks to the daemon's socket with Content-Length framing.
-- Run as: nvim --headless --clean -c 'luafile neovim-client.lua', with the arguments in CAIRN_TEST_SOCKET, _TOKEN_FILE, _ROOT, _QUERY
-- (Neovim 0.7 has no -l). Prints the result of search/query as one line of JSON; exits with 1 when an answer does not come within three minutes.
local function argument(name) return assert(vim.env['CAIRN_TEST_' .. name], name .. ' is missing') end
local socket, token_file, root, query = argument('SOCKET'), argument('TOKEN_FILE'), argument('ROOT'), argument('QUERY')
local uv = vim.uv or vim.loop
local pipe = assert(uv.new_pipe(false))
local buffer, answers, next_id = '', {}, 0
-- Only a client that fails waits for so long: a machine with other things to do takes its time.
local patience_ms = 180000

local function on_data(data)
  buffer = buffer .. data
  while true do
    local head_end = buffer:find('\r\n\r\n', 1, true)
    if not head_end then return end
    local length = tonumber(buffer:sub(1, head_end):match('[Cc]ontent%-[Ll]ength:%s*(%d+)'))
    if #buffer < head_end + 3 + length then return end
    local body = buffer:sub(head_end + 4, head_end + 3 + length)
    buffer = buffer:sub(head_end + 4 + length)
    local message = vim.json.decode(body)
    if message.id ~= nil then answers[message.id] = message end
  end
end

local function request(method, params)
  next_id = next_id + 1
  local id = next_id
  local body = vim.json.encode({ jsonrpc = '2.0', id = id, method = method, params = params })
  pipe:write(('Content-Length: %d\r\n\r\n%s'):format(#body, body))
  assert(vim.wait(patience_ms, function() return answers[id] ~= nil end, 5), 'no answer to ' .. method)
  local answer = answers[id]
  assert(answer.error == nil, vim.json.encode(answer.error or {}))
  return answer.result
end

local function main()
  local connected = false
  pipe:connect(socket, function(failure)
    assert(not failure, failure)
    connected = true
    pipe:read_start(function(err, data)
      assert(not err, err)
      if data then on_data(data) end
    end)
  end)
  assert(vim.wait(patience_ms, function() return connected end, 5), 'cannot connect')

  local token = vim.trim(table.concat(vim.fn.readfile(token_file), ''))
  local hello = request('initialize', {
    clientName = 'neovim-test', clientVersion = '1', protocol = { min = 1, max = 1 }, token = token,
  })
  local answer = request('search/query', { root = root, query = query, limit = 3 })
  io.stdout:write(vim.json.encode({ protocol = hello.protocol, hits = answer.hits, state = answer.meta.state }) .. '\n')
  pipe:close()
end

local ok, failure = pcall(main)
if not ok then io.stderr:write(tostring(failure) .. '\n') end
io.stdout:flush()
os.exit(ok and 0 or 1)
