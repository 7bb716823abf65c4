//! What can be asked over HTTP.

use crate::auth::Scope;

/// Something that can be asked over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Submits a job.
    SubmitJob,
    /// Submits many jobs, all or none.
    SubmitJobs,
    /// Cancels many jobs.
    CancelJobs,
    /// Gives many jobs another chance.
    RetryJobs,
    /// Lists jobs.
    ListJobs,
    /// Finds the ids of jobs.
    FindJobs,
    /// Shows a job, perhaps when it is over.
    GetJob,
    /// Lists the attempts of a job.
    ListAttempts,
    /// Lists what a job has said.
    ListChunks,
    /// Follows a job while it runs.
    FollowJob,
    /// Cancels a job.
    CancelJob,
    /// Gives a job another chance.
    RetryJob,
    /// Sends a notice to everyone.
    SendNotice,
    /// Lists the tasks.
    ListTasks,
    /// Lists the queues.
    ListQueues,
    /// Pauses a queue.
    PauseQueue,
    /// Lets a queue go on.
    ResumeQueue,
    /// Says how things are.
    GetStats,
    /// Says how the whole system is.
    GetOverview,
    /// Follows that.
    FollowOverview,
    /// Says how things were over time.
    ListSamples,
    /// Sells a ticket for a socket.
    CreateTicket,
    /// Says who asks.
    GetMe,
    /// Says how a job went that waits to be called back.
    CallBack,
}

/// How it is known who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// By a token of a subject, where there is authentication.
    Token,
    /// By the token that was given away for one job.
    JobToken,
}

/// Where it is about something, where there are several shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In the shard of whoever asks.
    Owner,
    /// In any of them: it is the same in each.
    Anywhere,
    /// In that of the job that is named.
    Job,
    /// In that of whoever asks; whoever looks around may name another.
    Look,
    /// In all of them.
    Everywhere,
}

impl Reach {
    /// Whether whoever looks after all may name another shard.
    #[must_use]
    pub fn may_be_named(self) -> bool {
        matches!(self, Self::Job | Self::Look | Self::Everywhere)
    }
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing is changed.
    Get,
    /// Something is.
    Post,
}

impl Operation {
    /// All of them, in the order of the document.
    pub const ALL: [Self; 24] = [
        Self::SubmitJob,
        Self::ListJobs,
        Self::FindJobs,
        Self::SubmitJobs,
        Self::CancelJobs,
        Self::RetryJobs,
        Self::GetJob,
        Self::ListAttempts,
        Self::ListChunks,
        Self::FollowJob,
        Self::CancelJob,
        Self::RetryJob,
        Self::SendNotice,
        Self::ListTasks,
        Self::ListQueues,
        Self::PauseQueue,
        Self::ResumeQueue,
        Self::GetStats,
        Self::GetOverview,
        Self::FollowOverview,
        Self::ListSamples,
        Self::CreateTicket,
        Self::GetMe,
        Self::CallBack,
    ];

    /// What it is called in generated clients.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::SubmitJob => "submit_job",
            Self::SubmitJobs => "submit_jobs",
            Self::CancelJobs => "cancel_jobs",
            Self::RetryJobs => "retry_jobs",
            Self::ListJobs => "list_jobs",
            Self::FindJobs => "find_jobs",
            Self::GetJob => "get_job",
            Self::ListAttempts => "list_attempts",
            Self::ListChunks => "list_chunks",
            Self::FollowJob => "follow_job",
            Self::CancelJob => "cancel_job",
            Self::RetryJob => "retry_job",
            Self::SendNotice => "send_notice",
            Self::ListTasks => "list_tasks",
            Self::ListQueues => "list_queues",
            Self::PauseQueue => "pause_queue",
            Self::ResumeQueue => "resume_queue",
            Self::GetStats => "get_stats",
            Self::GetOverview => "get_overview",
            Self::FollowOverview => "follow_overview",
            Self::ListSamples => "list_samples",
            Self::CreateTicket => "create_ticket",
            Self::GetMe => "get_me",
            Self::CallBack => "call_back",
        }
    }

    /// How it is asked.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::ListJobs
            | Self::GetJob
            | Self::ListAttempts
            | Self::FollowJob
            | Self::ListTasks
            | Self::ListQueues
            | Self::FindJobs
            | Self::ListChunks
            | Self::GetOverview
            | Self::FollowOverview
            | Self::ListSamples
            | Self::GetMe
            | Self::GetStats => Method::Get,
            Self::SubmitJob
            | Self::SubmitJobs
            | Self::CancelJob
            | Self::RetryJob
            | Self::SendNotice
            | Self::PauseQueue
            | Self::CancelJobs
            | Self::RetryJobs
            | Self::CreateTicket
            | Self::CallBack
            | Self::ResumeQueue => Method::Post,
        }
    }

    /// Where, with its parameters in braces.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::SubmitJob | Self::ListJobs => "/api/v1/jobs",
            Self::SubmitJobs => "/api/v1/jobs/batch",
            Self::GetJob => "/api/v1/jobs/{id}",
            Self::ListAttempts => "/api/v1/jobs/{id}/attempts",
            Self::FollowJob => "/api/v1/jobs/{id}/events",
            Self::CancelJob => "/api/v1/jobs/{id}/cancel",
            Self::RetryJob => "/api/v1/jobs/{id}/retry",
            Self::SendNotice => "/api/v1/notices",
            Self::ListTasks => "/api/v1/tasks",
            Self::ListQueues => "/api/v1/queues",
            Self::PauseQueue => "/api/v1/queues/{name}/pause",
            Self::ResumeQueue => "/api/v1/queues/{name}/resume",
            Self::GetStats => "/api/v1/stats",
            Self::ListSamples => "/api/v1/overview/samples",
            Self::CreateTicket => "/api/v1/tickets",
            Self::GetMe => "/api/v1/me",
            Self::CallBack => "/api/v1/callbacks/{id}",
            Self::FollowOverview => "/api/v1/overview/events",
            Self::GetOverview => "/api/v1/overview",
            Self::ListChunks => "/api/v1/jobs/{id}/chunks",
            Self::RetryJobs => "/api/v1/jobs/retry",
            Self::CancelJobs => "/api/v1/jobs/cancel",
            Self::FindJobs => "/api/v1/jobs/ids",
        }
    }
}

impl Operation {
    /// What one must be allowed to do; without, whoever is known may ask.
    #[must_use]
    pub fn needs(self) -> Option<Scope> {
        match self {
            Self::SubmitJob
            | Self::SubmitJobs
            | Self::CancelJob
            | Self::CancelJobs
            | Self::RetryJob
            | Self::RetryJobs
            | Self::ListTasks => Some(Scope::JobsSubmit),
            Self::ListJobs
            | Self::FindJobs
            | Self::GetJob
            | Self::ListAttempts
            | Self::ListChunks
            | Self::FollowJob => Some(Scope::JobsRead),
            Self::SendNotice => Some(Scope::NoticesSend),
            Self::ListQueues | Self::GetStats | Self::ListSamples => Some(Scope::MetricsRead),
            Self::PauseQueue | Self::ResumeQueue | Self::GetOverview | Self::FollowOverview => {
                Some(Scope::Admin)
            }
            Self::CreateTicket | Self::GetMe | Self::CallBack => None,
        }
    }

    /// Where it is about something, where there are several shards.
    #[must_use]
    pub fn reach(self) -> Reach {
        match self {
            Self::SubmitJob | Self::SubmitJobs | Self::CreateTicket => Reach::Owner,
            Self::GetMe | Self::ListTasks => Reach::Anywhere,
            Self::GetJob
            | Self::ListAttempts
            | Self::ListChunks
            | Self::FollowJob
            | Self::CancelJob
            | Self::RetryJob
            | Self::CallBack => Reach::Job,
            Self::ListJobs
            | Self::FindJobs
            | Self::CancelJobs
            | Self::RetryJobs
            | Self::ListQueues
            | Self::GetStats
            | Self::GetOverview
            | Self::FollowOverview
            | Self::ListSamples => Reach::Look,
            Self::SendNotice | Self::PauseQueue | Self::ResumeQueue => Reach::Everywhere,
        }
    }

    /// How it is known who asks.
    #[must_use]
    pub fn known_by(self) -> KnownBy {
        if self == Self::CallBack {
            KnownBy::JobToken
        } else {
            KnownBy::Token
        }
    }
}

impl Method {
    /// What it is called in the document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}
