// A screen on a wall has nobody who would try again.
setInterval(() => fetch('/readyz').then(() => window.location.reload(), () => {}), 5_000);

// What waits in this browser for the server, in words.
let waiting = 0;
for (let n = 0; n < localStorage.length; n += 1) {
    const key = localStorage.key(n);
    if (key.startsWith('speeddash.outbox.')) {
        waiting += JSON.parse(localStorage.getItem(key)).waiting?.length ?? 0;
    }
}
if (waiting) {
    document.getElementById('waiting').textContent = `${waiting} readings wait in this browser. They are sent when the server is back.`;
}
