// What the page tells a person in words. Pure functions.

// What stands where the chart has nothing to show: [text or null, whether the latest can be shown instead].
//   mode, fixed, sources    what is looked at
//   listed                  the sources that the server knows, null before it has told
//   failed, loading         why history is missing, or null; whether it is on its way
//   deviceProblem           why this device gives no speed, or null
//   sensorWord              what a Bluetooth sensor waits for
export const empty = ({mode, fixed, sources, listed, failed, loading, deviceProblem, sensorWord}) => {
    if (!sources.length) {
        return listed === null
            ? ['Looking for sources', false]
            : [listed.length ? 'Choose a source to watch.' : 'Nothing stored yet. A source appears here as soon as it sends.', false];
    }
    if (failed) {
        return [`History cannot be read: ${failed}`, false];
    }
    if (loading) {
        return ['Loading', false];
    }
    if (fixed) {
        return ['No data in this range.', true];
    }
    return {
        simulate: ['Waiting for the first stored reading.', false],
        gps: [deviceProblem ? 'No speed from this device.' : 'Waiting for this device’s GPS.', false],
        bluetooth: [deviceProblem ? 'No speed from a sensor.' : sensorWord, false],
        watch: ['No data in this window.', (listed ?? []).some(({value}) => sources.includes(value))],
    }[mode];
};

// What a person should know beyond the state of the connection, as one line; empty when all is well.
//   problems    sentences of whoever had one
//   storage     why the server cannot store, or null
//   signedOut   the server asks for a token
//   notDurable  the database's settings with which a commit is not durable, or null
//   group       {online, servers} of the database's servers, or null
//   refused     {count, why} of readings that the server would never take, or null
//   overflow    the browser's memory is full; waiting: so many readings have no receipt
export const notice = ({problems, storage, signedOut, notDurable, group, refused, overflow, waiting}) =>
    [
        ...problems,
        signedOut && 'You are signed out. Reload the page to sign in; readings wait here until then.',
        storage && `The server cannot store: ${storage.replace(/\.?$/, '.')} Readings wait here until it can.`,
        notDurable && `The database’s settings do not make a commit durable: an echo is no receipt (${notDurable}).`,
        group && group.online < group.servers && `${group.online} of ${group.servers} database servers are online.`,
        refused && `${refused.count} refused: ${refused.why}`,
        overflow && `This browser’s memory is full: ${waiting} readings wait in this tab alone. Leave it open.`,
    ].filter(Boolean).join(' · ');

