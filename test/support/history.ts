import type { WorkflowHandle } from '@temporalio/client';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];

/** A step that was tried inside a task of the workflow itself: a local activity. It leaves a marker when it has ended. */
export interface LocalStep {
  name: string;
  succeeded: boolean;
}

/** @returns null for an event of any other kind */
export function localStepOf({ markerRecordedEventAttributes: marker }: HistoryEvent): LocalStep | null {
  if (marker?.markerName !== 'core_local_activity') return null;
  const payload = marker.details?.['data']?.payloads?.[0]?.data;
  const { activity_type: name } = JSON.parse(Buffer.from(payload ?? []).toString('utf8')) as {
    activity_type: string;
  };
  return { name, succeeded: marker.failure === null || marker.failure === undefined };
}

/** The steps that a history has, in its order, whether tried locally or as activities: each try is one. */
export function stepsOf({ events }: History): string[] {
  return (events ?? []).flatMap(
    (event) =>
      event.activityTaskScheduledEventAttributes?.activityType?.name ?? localStepOf(event)?.name ?? [],
  );
}
