// Node with ws: whatever a sender sends goes to all who watch its source, and back to it. Nothing is parsed, nothing is stored.
const {WebSocketServer} = require('ws');

const server = new WebSocketServer({host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false});
const watchers = new Map(); // source: sockets

server.on('connection', (socket, {url}) => {
    const {pathname, searchParams} = new URL(url, 'http://localhost');
    const sources = searchParams.getAll('source');
    if (pathname === '/ws/live') {
        for (const source of sources) {
            watchers.set(source, (watchers.get(source) ?? new Set()).add(socket));
            socket.on('close', () => watchers.get(source).delete(socket));
        }
        return;
    }
    socket.on('message', (data) => {
        for (const each of watchers.get(sources[0]) ?? []) {
            each.send(data, {binary: false});
        }
        socket.send(data, {binary: false});
    });
});
