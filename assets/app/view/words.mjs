// What the page tells a person in words. Pure functions.

// What stands where the chart has nothing to show: [text or null, whether the latest can be shown instead].
export const empty = ({view: {mode}, isFixed, shownSources: sources, listed, tracks: {failed, loading}, deviceProblem, devices}) => {
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
    if (isFixed) {
        return ['No data in this range.', true];
    }
    return {
        simulate: ['Waiting for the first stored reading.', false],
        gps: [deviceProblem ? 'No speed from this device.' : 'Waiting for this device’s GPS.', false],
        bluetooth: [deviceProblem ? 'No speed from a sensor.' : devices.bluetooth.waiting, false],
        watch: ['No data in this window.', (listed ?? []).some(({value}) => sources.includes(value))],
    }[mode];
};

// What a person should know beyond the state of the connection, as one line; empty when all is well.
export const notice = ({problems, deviceProblem, storage, signedOut, wasUndone, scriptMissed, notDurable, group, alarm, sender: {refused, overflow, outbox}}) =>
    [
        ...problems,
        deviceProblem,
        signedOut && 'You are signed out. Reload the page to sign in; readings wait here until then.',
        wasUndone && 'The server could not be reached: nothing was changed. Try again.',
        scriptMissed && 'A part of the page could not be loaded. Reload the page.',
        storage && `The server cannot store: ${storage.replace(/\.?$/, '.')} Readings wait here until it can.`,
        notDurable && `The database’s settings do not make a commit durable: an echo is no receipt (${notDurable}).`,
        group && group.online < group.servers && `${group.online} of ${group.servers} database servers are online.`,
        refused && `${refused.count} refused: ${refused.why}`,
        alarm.isMute && 'Click once to let the page sound.',
        overflow && `This browser’s memory is full: ${outbox.waiting.length} readings wait in this tab alone. Leave it open.`,
    ].filter(Boolean).join(' · ');

