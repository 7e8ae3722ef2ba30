// Node with ws and mysql2: a group commit by hand. One INSERT for all that is queued, then the echoes; one statement at a time.
const {WebSocketServer} = require('ws');
const mysql = require('mysql2');

const [port, host, dbPort, user, password, database] = process.argv.slice(2);
const connection = mysql.createConnection({host, port: Number(dbPort), user, password, database, timezone: 'Z'});
const server = new WebSocketServer({host: '127.0.0.1', port: Number(port), perMessageDeflate: false});
let queued = [];
let busy = false;

const commit = () => {
    if (busy || !queued.length) {
        return;
    }
    const batch = queued;
    queued = [];
    busy = true;
    const rows = batch.flatMap(({readings}) => readings.map(({speed, timestamp}) => [speed, new Date(timestamp)]));
    connection.query('INSERT INTO speed_data (speed, timestamp) VALUES ?', [rows], (error) => {
        busy = false;
        if (error) {
            console.error(error.message);
        }
        for (const {socket, text} of batch) {
            if (error) {
                socket.close(1011);
            } else {
                socket.send(text);
            }
        }
        commit();
    });
};

server.on('connection', (socket) => {
    socket.on('message', (data) => {
        const text = data.toString();
        queued.push({socket, text, readings: [JSON.parse(text)].flat()});
        commit();
    });
});
